"""Input is read in pieces that grow and shrink, within the owner's credit and not a byte beyond."""

from __future__ import annotations

import contextlib
import itertools
import socket

import pytest

from skypy.core.tcp.connection_input import LARGEST_READ
from skypy.core.wire.socket_lane import SOCKET_CLOSE, SOCKET_DATA, SOCKET_MORE
from tests.net.players import PLENTY, Held
from tests.net.stage import Stage


def sizes(held: Held) -> list[int]:
    return [len(piece) for piece in held.pieces]


def kinds(held: Held) -> list[int]:
    return [report[0] for report in held.reports]


def until_received(stage: Stage, held: Held, size: int) -> None:
    stage.until(lambda: len(held.input) == size, f"{size} bytes")


def receive(stage: Stage, held: Held, peer: socket.socket, data: bytes) -> None:
    """Let the peer send and the owner receive."""
    wanted = held.input + data
    peer.sendall(data)
    stage.until(lambda: held.input == wanted, "the peer's bytes")


def test_a_short_piece_comes_at_once_and_alone(stage: Stage) -> None:
    held, peer = stage.pair()
    receive(stage, held, peer, b"hello")
    assert kinds(held) == [SOCKET_DATA]


def test_reads_start_at_64_bytes_and_double_when_one_is_filled(stage: Stage) -> None:
    held, peer = stage.pair()
    receive(stage, held, peer, PLENTY[:1000])
    assert sizes(held) == [64, 128, 256, 512, 40]
    assert kinds(held) == [SOCKET_MORE] * 4 + [SOCKET_DATA]


def test_a_read_that_is_filled_exactly_is_not_followed_by_an_empty_one(stage: Stage) -> None:
    held, peer = stage.pair()
    receive(stage, held, peer, PLENTY[: 64 + 128])
    stage.settle()
    assert sizes(held) == [64, 128]
    assert kinds(held) == [SOCKET_MORE, SOCKET_DATA]


def test_reads_halve_when_less_than_half_is_used_but_not_below_64_bytes(stage: Stage) -> None:
    held, peer = stage.pair()
    receive(stage, held, peer, PLENTY[: 64 + 128 + 256])  # the next read may take 512
    receive(stage, held, peer, b"1")
    receive(stage, held, peer, b"2")
    receive(stage, held, peer, PLENTY[:200])
    assert sizes(held) == [64, 128, 256, 1, 1, 128, 72]
    for number in range(5):
        receive(stage, held, peer, str(number).encode())
    receive(stage, held, peer, PLENTY[:100])
    assert sizes(held)[-2:] == [64, 36]


def test_a_read_that_is_half_filled_leaves_the_size_as_it_is(stage: Stage) -> None:
    held, peer = stage.pair()
    receive(stage, held, peer, PLENTY[:64])
    receive(stage, held, peer, PLENTY[:64])  # half of 128
    receive(stage, held, peer, PLENTY[:150])
    assert sizes(held) == [64, 64, 128, 22]


def test_every_byte_of_a_long_input_arrives_once_and_in_order(stage: Stage) -> None:
    held, peer = stage.pair()
    data = b"".join(number.to_bytes(4, "big") for number in range(500_000))
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[peer.send(rest) :]
        except BlockingIOError:
            stage.turn(0.01)
    stage.until(lambda: sum(sizes(held)) == len(data), "all bytes")
    assert held.input == data
    assert max(sizes(held)) <= 262144


def test_every_more_is_followed_at_once_by_another_piece_of_its_socket(stage: Stage) -> None:
    pairs = [stage.pair() for _ in range(2)]
    for _, peer in pairs:
        peer.sendall(PLENTY[:5000])
    stage.until(lambda: all(len(held.input) == 5000 for held, _ in pairs), "all bytes")
    data = [report for report in stage.worker.reports if report[0] in (SOCKET_DATA, SOCKET_MORE)]
    assert any(one[0] == SOCKET_MORE for one in data)
    for one, following in itertools.pairwise(data):
        assert one[0] == SOCKET_DATA or following[1] == one[1]
    assert data[-1][0] == SOCKET_DATA


@pytest.mark.parametrize("limit", [1, 63, 64, 65, 1000])
def test_not_a_byte_is_delivered_beyond_the_credit(stage: Stage, limit: int) -> None:
    held, peer = stage.pair(credit=limit)
    peer.sendall(PLENTY[:3000])
    until_received(stage, held, limit)
    stage.settle()
    assert held.input == PLENTY[:limit]
    assert kinds(held)[-1] == SOCKET_DATA


def test_input_goes_on_exactly_where_the_credit_had_ended(stage: Stage) -> None:
    held, peer = stage.pair(credit=100)
    peer.sendall(PLENTY[:1000])
    for limit in (101, 164, 400, 999):
        held.credit(limit)
        until_received(stage, held, limit)
    held.credit(50)  # an old one that comes late takes nothing back and gives nothing
    stage.settle()
    assert held.input == PLENTY[:999]
    held.credit()
    stage.until(lambda: held.input == PLENTY[:1000], "the rest")


def test_an_old_credit_that_comes_late_takes_nothing_back(stage: Stage) -> None:
    held, peer = stage.pair(credit=1000)
    held.credit(50)
    stage.settle()
    receive(stage, held, peer, PLENTY[:1000])


def test_a_fast_peer_gets_only_so_much_of_a_turn(stage: Stage) -> None:
    held, peer = stage.pair()
    connection = stage.connection(held)
    assert connection is not None
    most = sent = 0
    while sent < 8 << 20:
        with contextlib.suppress(BlockingIOError):
            while sent < 8 << 20:
                sent += peer.send(PLENTY)
        before = connection.input.read
        stage.turn(0.01)
        most = max(most, connection.input.read - before)
    stage.until(lambda: sum(sizes(held)) == sent, "all bytes")
    assert most <= 2 * 262144


def test_a_paused_socket_with_input_waiting_does_not_keep_the_service_awake(stage: Stage) -> None:
    held, peer = stage.pair(credit=10)
    peer.sendall(PLENTY[:1000])
    until_received(stage, held, 10)
    stage.settle()
    assert stage.ready == []
    held.credit(20)
    until_received(stage, held, 20)
    stage.settle()
    assert stage.ready == []


def test_a_paused_socket_can_still_be_written_to(stage: Stage) -> None:
    held, peer = stage.pair(credit=1)
    peer.sendall(b"ab")
    stage.until(lambda: held.input == b"a", "what was granted")
    held.write(b"answer")
    assert stage.read(peer, 6) == b"answer"
    assert held.input == b"a"


def test_end_of_file_comes_once_and_behind_all_input(stage: Stage) -> None:
    held, peer = stage.pair()
    peer.sendall(PLENTY[:500])
    peer.shutdown(socket.SHUT_WR)
    stage.until(lambda: held.ends, "the end")
    stage.settle()
    assert held.input == PLENTY[:500]
    assert held.reports[-1] == [SOCKET_CLOSE, held.id, 0]
    assert held.ends == [0]


def test_end_of_file_does_not_overtake_input_that_waits_for_credit(stage: Stage) -> None:
    held, peer = stage.pair(credit=100)
    peer.sendall(PLENTY[:500])
    peer.shutdown(socket.SHUT_WR)
    until_received(stage, held, 100)
    stage.settle()
    assert held.ends == []
    held.credit()
    stage.until(lambda: held.ends, "the end")
    assert (held.input, held.ends) == (PLENTY[:500], [0])


def test_a_peer_that_floods_does_not_keep_the_others_waiting(stage: Stage) -> None:
    flooded, flood = stage.pair()
    flood.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
    flooded.duplicate.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    others = [stage.pair() for _ in range(50)]

    def fill() -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                flood.send(bytes(1 << 20))

    for _ in range(12):  # until it is read in the largest pieces
        fill()
        stage.turn()
    fill()
    for _, peer in others:
        peer.sendall(b"a line\n")
    before = len(flooded.input)
    stage.turn()
    assert [held.input for held, _ in others] == [b"a line\n"] * len(others)
    assert 0 < len(flooded.input) - before <= 2 * LARGEST_READ
