"""Connections that the socket service makes."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable

import pytest

from skypy.core.wire.socket_lane import CANCEL, CONNECT, SOCKET_FAILED, SOCKET_OPEN
from tests.net.descriptors import open_descriptors
from tests.net.players import HOST
from tests.net.stage import Stage, await_kernel, reset


def accept_one(stage: Stage, server: socket.socket) -> socket.socket:
    """Accept the connection of the socket service."""
    await_kernel(server, 1)
    peer = stage.keep(server.accept()[0])
    peer.setblocking(False)
    return peer


def test_a_connection_is_reported_with_both_addresses_and_works(stage: Stage) -> None:
    server, port = stage.server()
    number = stage.worker.connect(port)
    held = stage.worker.opened(number)
    peer = accept_one(stage, server)
    assert stage.worker.answer(number) == [SOCKET_OPEN, number, held.id, list(peer.getpeername()), [HOST, port]]
    held.credit()
    stage.echo(held, peer)


def test_a_refused_connection_fails_with_its_errno(stage: Stage) -> None:
    number = stage.worker.connect(stage.refused_port())
    assert stage.worker.answer(number) == [SOCKET_FAILED, number, errno.ECONNREFUSED]


def test_connecting_to_no_address_at_all_fails(stage: Stage) -> None:
    number = stage.worker.connect()
    assert stage.worker.answer(number) == [SOCKET_FAILED, number, errno.EADDRNOTAVAIL]


def test_the_next_address_is_tried_when_one_refuses(stage: Stage) -> None:
    server, port = stage.server()
    held = stage.worker.opened(stage.worker.connect(stage.refused_port(), stage.refused_port(), port))
    held.credit()
    stage.echo(held, accept_one(stage, server))


def test_an_address_that_fails_at_once_is_passed_over_too(stage: Stage) -> None:
    server, port = stage.server()
    addresses = [(socket.AF_INET, "255.255.255.255", port), (socket.AF_INET, HOST, port)]
    held = stage.worker.opened(stage.worker.request(CONNECT, addresses))
    held.credit()
    stage.echo(held, accept_one(stage, server))


def test_when_every_address_refuses_one_failure_is_reported(stage: Stage) -> None:
    number = stage.worker.connect(stage.refused_port(), stage.refused_port())
    stage.worker.answer(number)
    stage.settle()
    assert stage.worker.reports == [[SOCKET_FAILED, number, errno.ECONNREFUSED]]


def test_a_peer_that_resets_before_the_connection_was_noticed_counts_as_a_failure(stage: Stage) -> None:
    server, port = stage.server()
    number = stage.worker.connect(port)
    stage.turn()
    reset(accept_one(stage, server))
    assert stage.worker.answer(number) == [SOCKET_FAILED, number, errno.ECONNRESET]


def test_a_connection_under_way_can_be_cancelled(stage: Stage) -> None:
    silent_port = stage.silent_port()
    before = open_descriptors()
    number = stage.worker.connect(silent_port)
    stage.settle()
    assert open_descriptors() != before
    stage.worker.send(CANCEL, number)
    stage.until(lambda: open_descriptors() == before, "the end of the attempt")
    assert stage.worker.reports == []


def test_an_attempt_that_is_cancelled_in_the_same_turn_is_never_reported(stage: Stage) -> None:
    server, port = stage.server()
    stage.worker.send_at_once((CONNECT, 77, [(socket.AF_INET, HOST, port)]), (CANCEL, 77))
    stage.settle()
    peer = accept_one(stage, server)
    assert stage.read_to_end(peer)[0] == b""
    assert stage.worker.reports == []


def test_cancelling_what_is_done_or_was_never_asked_for_changes_nothing(stage: Stage) -> None:
    server, port = stage.server()
    number = stage.worker.connect(port)
    held = stage.worker.opened(number)
    stage.worker.send(CANCEL, number)
    stage.worker.send(CANCEL, 999)
    held.credit()
    stage.echo(held, accept_one(stage, server))


def test_requests_of_two_workers_may_have_the_same_number(stage: Stage) -> None:
    silent_port = stage.silent_port()
    other = stage.add_worker()
    assert other.connect(silent_port) == stage.worker.connect(silent_port) == 1
    stage.settle()
    other.send(CANCEL, 1)
    stage.settle()
    server, port = stage.server()
    held = other.opened(other.connect(port))
    held.credit()
    stage.echo(held, accept_one(stage, server))


@pytest.mark.parametrize("when", ["before the first turn", "under way"])
def test_a_worker_that_ends_while_connecting_leaves_nothing(stage: Stage, when: str) -> None:
    silent_port = stage.silent_port()
    before = open_descriptors()
    worker = stage.add_worker()
    worker.connect(silent_port)
    if when == "under way":
        stage.settle()
    worker.die()
    stage.until(lambda: open_descriptors() == before, "the end of the attempt")


def test_a_connection_is_not_read_before_it_is_started(stage: Stage) -> None:
    server, port = stage.server()
    held = stage.worker.opened(stage.worker.connect(port))
    peer = accept_one(stage, server)
    peer.sendall(b"early")
    peer.shutdown(socket.SHUT_WR)
    stage.settle()
    assert held.reports == []
    held.credit()
    stage.until(lambda: held.ends, "the end")
    assert (held.input, held.ends) == (b"early", [0])


@pytest.mark.parametrize("end", [lambda peer: peer.shutdown(socket.SHUT_WR), reset], ids=["finishes", "resets"])
def test_a_peer_that_ends_before_the_start_does_not_keep_the_service_awake(
    stage: Stage, end: Callable[[socket.socket], None]
) -> None:
    server, port = stage.server()
    held = stage.worker.opened(stage.worker.connect(port))
    end(accept_one(stage, server))
    stage.settle()
    held.credit()
    stage.until(lambda: held.ends, "the end")
    stage.settle()
