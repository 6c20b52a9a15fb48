"""The reading of a busy connection is lent to its owner's worker, and comes back: at any time one of them reads."""

from __future__ import annotations

import errno
import select
import socket

import pytest

from skypy.core.socket_info import SocketInfo
from skypy.core.tcp.state import State
from skypy.core.wire.socket_lane import (
    NETSTAT,
    RETURN,
    SOCKET_CLOSE,
    SOCKET_DATA,
    SOCKET_ERROR,
    SOCKET_LEND,
    SOCKET_NETSTAT,
)
from tests.net.players import CREDIT_FOR_ALL, Held
from tests.net.stage import Stage, await_kernel, reset


@pytest.fixture
def lend_after() -> int:
    return 2


def lent(stage: Stage, *, credit: int = CREDIT_FOR_ALL) -> tuple[Held, socket.socket]:
    """Make a connection whose reading is lent: 8 bytes have come over the lane."""
    held, peer = stage.pair(credit=credit)
    for piece in (b"ping", b"pong"):
        send(stage, held, peer, piece)
    assert kinds(held) == [SOCKET_DATA, SOCKET_DATA, SOCKET_LEND]
    return held, peer


def send(stage: Stage, held: Held, peer: socket.socket, piece: bytes) -> None:
    before = held.input
    peer.sendall(piece)
    stage.until(lambda: held.input == before + piece, "the piece over the lane")


def kinds(held: Held) -> list[int]:
    return [report[0] for report in held.reports]


def give_back(held: Held, position: int, error: int = 0, limit: int = CREDIT_FOR_ALL) -> None:
    held.send(RETURN, position, limit, error)


def test_it_is_lent_behind_the_data_that_came_over_the_lane(stage: Stage) -> None:
    lent(stage)


def test_input_that_comes_afterwards_is_left_to_the_worker(stage: Stage) -> None:
    held, peer = lent(stage)
    peer.sendall(b"directly")
    await_kernel(held.duplicate, select.POLLIN)
    stage.settle()
    assert held.input == b"pingpong"
    assert held.duplicate.recv(100) == b"directly"


def test_neither_an_end_nor_a_reset_wakes_the_service_while_it_is_lent(stage: Stage) -> None:
    finished, reset_one = lent(stage), lent(stage)
    finished[1].shutdown(socket.SHUT_WR)
    reset(reset_one[1])
    await_kernel(finished[0].duplicate, select.POLLIN)
    await_kernel(reset_one[0].duplicate, select.POLLIN)
    assert stage.ready == []


def test_the_service_reads_on_where_the_worker_has_stopped(stage: Stage) -> None:
    held, peer = lent(stage)
    peer.sendall(b"directly and on")
    await_kernel(held.duplicate, select.POLLIN)
    assert held.duplicate.recv(8) == b"directly"
    give_back(held, 16)
    stage.until(lambda: held.input == b"pingpong and on", "the rest")


def test_it_is_read_up_to_the_limit_that_comes_with_it(stage: Stage) -> None:
    held, peer = lent(stage, credit=100)
    peer.sendall(bytes(150))
    await_kernel(held.duplicate, select.POLLIN)
    held.duplicate.recv(92)
    give_back(held, 100, limit=120)
    stage.until(lambda: len(held.input) == 28, "20 bytes more")
    stage.settle()
    assert len(held.input) == 28


def test_it_is_lent_again_after_twice_as_many_pieces(stage: Stage) -> None:
    held, peer = lent(stage)
    give_back(held, 8)
    stage.turn()
    for piece in (b"1", b"2", b"3", b"4"):
        assert kinds(held).count(SOCKET_LEND) == 1
        send(stage, held, peer, piece)
    assert kinds(held).count(SOCKET_LEND) == 2


def test_the_end_that_the_worker_has_met_is_reported_by_the_service(stage: Stage) -> None:
    held, peer = lent(stage)
    peer.shutdown(socket.SHUT_WR)
    await_kernel(held.duplicate, select.POLLIN)
    assert held.duplicate.recv(100) == b""
    give_back(held, 8)
    stage.until(lambda: held.ends == [0], "end-of-file")
    assert stage.state(held) is State.HALF_CLOSED_READ


def test_a_reset_that_the_worker_has_met_is_no_end_of_file(stage: Stage) -> None:
    held, peer = lent(stage)
    reset(peer)
    await_kernel(held.duplicate, select.POLLIN)
    with pytest.raises(ConnectionResetError):
        held.duplicate.recv(100)
    give_back(held, 8, errno.ECONNRESET)
    stage.until(lambda: held.ends == [errno.ECONNRESET], "the reset")
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")


def test_a_reset_that_the_service_has_met_by_writing_is_no_end_of_file_for_the_reader(stage: Stage) -> None:
    held, peer = lent(stage)
    held.fill()
    held.write(b"one more")
    stage.turn()
    reset(peer)
    stage.until(lambda: held.errors == [errno.ECONNRESET], "the error of the write half")
    assert held.duplicate.recv(100) == b""  # the kernel tells a reset once
    give_back(held, 8)
    stage.until(lambda: held.ends == [errno.ECONNRESET], "the reset")
    assert kinds(held).index(SOCKET_ERROR) < kinds(held).index(SOCKET_CLOSE)


def test_a_close_that_crosses_the_lending_ends_it(stage: Stage) -> None:
    held, peer = lent(stage)
    held.close()
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    peer.sendall(b"still read, and discarded")
    assert stage.read_to_end(peer) == (b"", 0)
    peer.close()
    stage.until(lambda: stage.state(held) is State.CLOSED, "the end")


def test_input_of_a_dead_worker_is_discarded_up_to_the_end(stage: Stage) -> None:
    held, peer = lent(stage)
    held.worker.die()
    assert stage.read_to_end(peer) == (b"", 0)
    peer.close()
    stage.until(lambda: stage.state(held) is State.CLOSED, "the end")


def test_netstat_knows_how_much_was_read_directly(stage: Stage) -> None:
    held, peer = lent(stage)
    peer.sendall(b"directly")
    await_kernel(held.duplicate, select.POLLIN)
    held.duplicate.recv(3)
    held.worker.request(NETSTAT)
    stage.until(lambda: [one for one in held.worker.reports if one[0] == SOCKET_NETSTAT], "the sockets")
    rows = next(one for one in held.worker.reports if one[0] == SOCKET_NETSTAT)[2]
    info = next(info for info in map(SocketInfo.from_plain, rows) if info.id == held.id)
    assert (info.received, info.unread) == (11, 5)
