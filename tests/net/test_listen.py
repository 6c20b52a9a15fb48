"""Listening sockets accept as many clients as their owner has granted."""

from __future__ import annotations

import errno
import socket

import pytest

from skypy.core.wire.socket_lane import CREDIT, LISTEN, SOCKET_ACCEPT, SOCKET_FAILED, SOCKET_FORGET, SOCKET_OPEN
from tests.net.players import HOST, OWNER
from tests.net.stage import Stage


def test_a_listener_on_port_0_is_told_the_port_that_it_got(stage: Stage) -> None:
    number = stage.worker.request(LISTEN, [(socket.AF_INET, HOST, 0)], 16, False, True)
    kind, answered, id_, address, peer = stage.worker.answer(number)
    assert (kind, answered, peer) == (SOCKET_OPEN, number, None)
    assert tuple(address) == stage.worker.held[id_].address
    assert address[1] > 0


def test_a_port_that_is_in_use_fails_with_its_errno(stage: Stage) -> None:
    _, port = stage.server()
    number = stage.worker.request(LISTEN, [(socket.AF_INET, HOST, port)], 16, False, True)
    assert stage.worker.answer(number) == [SOCKET_FAILED, number, errno.EADDRINUSE]


def test_an_address_of_another_machine_fails_with_its_errno(stage: Stage) -> None:
    number = stage.worker.request(LISTEN, [(socket.AF_INET, "203.0.113.1", 0)], 16, False, True)
    assert stage.worker.answer(number) == [SOCKET_FAILED, number, errno.EADDRNOTAVAIL]


def test_listening_on_no_address_at_all_fails(stage: Stage) -> None:
    number = stage.worker.request(LISTEN, [], 16, False, True)
    assert stage.worker.answer(number) == [SOCKET_FAILED, number, errno.EADDRNOTAVAIL]


def test_the_first_address_that_can_be_had_is_listened_on(stage: Stage) -> None:
    _, busy = stage.server()
    number = stage.worker.request(LISTEN, [(socket.AF_INET, HOST, busy), (socket.AF_INET, HOST, 0)], 16, False, True)
    assert stage.worker.opened(number).address[1] != busy


def test_an_accepted_client_comes_with_its_address_and_a_working_descriptor(stage: Stage) -> None:
    listener = stage.worker.listen(credit=1)
    peer = stage.peer(listener.address[1])
    stage.until(lambda: stage.worker.accepted(listener), "the client")
    [accepted] = stage.worker.accepted(listener)
    assert stage.worker.reports[-1] == [SOCKET_ACCEPT, listener.id, accepted.id, list(peer.getsockname())]
    accepted.write_directly(b"hello")
    assert stage.read(peer, 5) == b"hello"


def test_input_of_a_client_comes_as_far_as_its_listener_has_granted(stage: Stage) -> None:
    listener = stage.worker.listen()
    listener.send(CREDIT, 1, OWNER, 5)
    peer = stage.peer(listener.address[1])
    peer.send(b"hello, world")
    stage.until(lambda: stage.worker.accepted(listener), "the client")
    [accepted] = stage.worker.accepted(listener)
    stage.until(lambda: accepted.input == b"hello", "the first five bytes")
    stage.settle()
    assert accepted.input == b"hello"
    accepted.credit()
    stage.until(lambda: accepted.input == b"hello, world", "the rest")


def test_no_client_is_accepted_before_the_listener_is_started(stage: Stage) -> None:
    listener = stage.worker.listen()
    stage.peer(listener.address[1])
    stage.settle()
    assert stage.worker.accepted(listener) == []


def test_exactly_as_many_clients_are_accepted_as_were_granted(stage: Stage) -> None:
    listener = stage.worker.listen(credit=2)
    ports = [stage.peer(listener.address[1]).getsockname()[1] for _ in range(5)]
    stage.until(lambda: len(stage.worker.accepted(listener)) == 2, "two clients")
    stage.settle()
    assert len(stage.worker.accepted(listener)) == 2
    listener.send(CREDIT, 3)
    listener.send(CREDIT, 1)  # an old one that comes late takes nothing back
    stage.until(lambda: len(stage.worker.accepted(listener)) == 3, "the third client")
    stage.settle()
    assert len(stage.worker.accepted(listener)) == 3
    listener.send(CREDIT, 5)
    stage.until(lambda: len(stage.worker.accepted(listener)) == 5, "all clients")
    assert [held.duplicate.getpeername()[1] for held in stage.worker.accepted(listener)] == ports


def test_a_crowd_that_waits_is_accepted_over_several_turns(stage: Stage) -> None:
    listener = stage.worker.listen(backlog=150, credit=150)
    stage.settle()
    peers = [stage.peer(listener.address[1]) for _ in range(150)]
    stage.until(lambda: len(stage.worker.accepted(listener)) == 150, "all clients")
    assert len({held.id for held in stage.worker.accepted(listener)}) == len(peers)


def test_a_closed_listener_refuses_clients_and_drops_those_that_waited(stage: Stage) -> None:
    listener = stage.worker.listen(credit=1)
    port = listener.address[1]
    accepted, waiting = stage.peer(port), stage.peer(port)
    stage.until(lambda: stage.worker.accepted(listener), "the client")
    listener.close()
    stage.until(lambda: listener.forgotten, "SOCKET_FORGET")
    assert listener.reports == [[SOCKET_FORGET, listener.id]]
    with pytest.raises(ConnectionRefusedError):
        stage.peer(port)
    assert stage.read_to_end(waiting) == (b"", errno.ECONNRESET)
    stage.worker.accepted(listener)[0].write_directly(b"still here")
    assert stage.read(accepted, 10) == b"still here"


def test_a_port_can_be_listened_on_again_right_after_its_listener_was_closed(stage: Stage) -> None:
    held, peer = stage.pair()
    port = held.address[1]
    held.write(b"bye")
    held.close()  # we close first, so this end keeps TIME_WAIT
    assert stage.read_to_end(peer) == (b"bye", 0)
    peer.close()
    listener = stage.worker.held[min(stage.worker.held)]
    assert listener.address[1] == port
    listener.close()
    stage.until(lambda: listener.forgotten, "SOCKET_FORGET")
    number = stage.worker.request(LISTEN, [(socket.AF_INET, HOST, port)], 16, False, True)
    assert stage.worker.opened(number).address == (HOST, port)
