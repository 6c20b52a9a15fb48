"""A socket service without a free descriptor turns clients away and goes on with those that it has."""

from __future__ import annotations

import errno
import os
import socket
import time
from typing import Any

from skypy.core.settings import SocketSettings
from skypy.core.wire.socket_lane import CLOSE, CREDIT, LISTEN, SOCKET_ERROR, SOCKET_FAILED
from skypy.net.service import RESERVED_DESCRIPTORS, SocketService
from skypy.system.socket_kernel import SocketKernel
from tests.net.descriptors import limit_of, limit_with_free, open_descriptors
from tests.net.players import HOST
from tests.net.stage import Stage


def test_clients_for_whom_no_descriptor_is_left_are_turned_away(stage: Stage) -> None:
    existing, friend = stage.pair()
    listener = stage.worker.listen(credit=100)
    stage.settle()
    peers = [stage.peer(listener.address[1]) for _ in range(10)]
    began = time.monotonic()
    with limit_of(limit_with_free(4)):
        stage.settle(turns=40)  # no client waits any more
        stage.echo(existing, friend)
    complaints = listener.errors
    accepted = stage.worker.accepted(listener)
    assert 1 <= len(complaints) <= 1 + time.monotonic() - began
    assert set(complaints) == {errno.EMFILE}
    assert 1 <= len(accepted) <= 4
    for peer in peers[len(accepted) :]:
        assert stage.read_to_end(peer) == (b"", 0)
    for held, peer in zip(accepted, peers, strict=False):
        held.credit()
        stage.echo(held, peer)


def test_clients_are_accepted_again_when_descriptors_are_free(stage: Stage) -> None:
    listener = stage.worker.listen(credit=2)
    stage.settle()
    turned_away = stage.peer(listener.address[1])
    with limit_of(limit_with_free(0)):
        stage.until(lambda: listener.errors, "the complaint")
    assert stage.read_to_end(turned_away) == (b"", 0)
    peers = [stage.peer(listener.address[1]) for _ in range(2)]
    stage.until(lambda: len(stage.worker.accepted(listener)) == 2, "two clients")  # the other did not count
    for held, peer in zip(stage.worker.accepted(listener), peers, strict=True):
        held.credit()
        stage.echo(held, peer)


def test_a_crowded_service_turns_clients_away_until_a_socket_is_gone() -> None:
    before = open_descriptors()
    lines: list[str] = []
    room = RESERVED_DESCRIPTORS // 2
    with limit_of(2 * room):  # a low limit, of which sockets may have one half
        service = SocketService(SocketSettings(), log=lines.append)
    stage = Stage(service, lines)
    listener = stage.worker.listen(credit=2 * room)
    peers = [stage.peer(listener.address[1]) for _ in range(room + 1)]
    stage.until(lambda: listener.errors, "the complaint")
    assert service.crowded
    assert listener.reports == [[SOCKET_ERROR, listener.id, errno.EMFILE]]
    assert stage.read_to_end(peers[room]) == (b"", 0)
    first, second, *others = stage.worker.accepted(listener)
    assert len(others) == room - 2
    second.credit()
    stage.echo(second, peers[1])
    first.close()
    assert stage.read_to_end(peers[0]) == (b"", 0)
    peers[0].close()
    stage.until(lambda: not service.crowded, "room")
    peer = stage.peer(listener.address[1])
    stage.until(lambda: len(stage.worker.accepted(listener)) == room + 1, "another client")
    third = stage.worker.accepted(listener)[-1]
    third.credit()
    stage.echo(third, peer)
    stage.close()
    assert open_descriptors() == before


def test_listening_and_connecting_fail_when_no_descriptor_is_left(stage: Stage) -> None:
    _, port = stage.server()
    with limit_of(limit_with_free(0)):
        listening = stage.worker.request(LISTEN, [(socket.AF_INET, HOST, 0)], 16, False, True)
        connecting = stage.worker.connect(port)
        assert stage.worker.answer(listening) == [SOCKET_FAILED, listening, errno.EMFILE]
        assert stage.worker.answer(connecting) == [SOCKET_FAILED, connecting, errno.EMFILE]


class Crowded(SocketKernel):
    """A kernel whose machine may have no descriptor left: other processes have them all."""

    full = False

    def accept(self, listening: socket.socket) -> tuple[socket.SocketType, tuple[Any, ...]]:
        self._fail()
        return super().accept(listening)

    def reserve(self) -> int:
        self._fail()
        return super().reserve()

    def _fail(self) -> None:
        if self.full:
            raise OSError(errno.ENFILE, os.strerror(errno.ENFILE))


def test_a_listener_whose_spare_descriptor_is_taken_by_another_process_accepts_again_later() -> None:
    before = open_descriptors()
    lines: list[str] = []
    kernel = Crowded()
    stage = Stage(SocketService(SocketSettings(), lines.append, kernel), lines)
    listener = stage.worker.listen(credit=100)
    stage.settle()
    kernel.full = True
    turned_away, waiting = stage.peer(listener.address[1]), stage.peer(listener.address[1])
    stage.until(lambda: listener.errors, "the complaint")
    stage.settle()  # it is not woken again and again
    assert listener.errors == [errno.ENFILE]
    listener.send(CREDIT, 200)
    stage.settle()
    kernel.full = False
    stage.until(lambda: len(stage.worker.accepted(listener)) == 1, "the client that waits")
    (held,) = stage.worker.accepted(listener)
    held.credit()
    stage.echo(held, waiting)
    assert stage.read_to_end(turned_away) == (b"", 0)
    kernel.full = True
    assert stage.read_to_end(stage.peer(listener.address[1])) == (b"", 0)  # by the spare descriptor, which is back
    kernel.full = False
    stage.until(lambda: stage.service.shared.spare._descriptor is not None, "the spare descriptor")
    assert lines == []
    stage.close()
    assert open_descriptors() == before


def test_a_listener_is_closed_while_it_waits_for_a_descriptor() -> None:
    before = open_descriptors()
    lines: list[str] = []
    kernel = Crowded()
    stage = Stage(SocketService(SocketSettings(), lines.append, kernel), lines)
    listener = stage.worker.listen(credit=100)
    stage.settle()
    kernel.full = True
    stage.peer(listener.address[1])
    stage.until(lambda: listener.errors, "the complaint")
    listener.send(CLOSE)
    stage.until(lambda: listener.forgotten, "SOCKET_FORGET")
    kernel.full = False
    stage.service.shared.spare.take_back()
    stage.close()
    assert lines == []
    assert open_descriptors() == before
