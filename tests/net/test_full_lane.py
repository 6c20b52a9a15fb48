"""A worker that does not read its lane slows down its own sockets; nothing is lost and no other worker waits."""

from __future__ import annotations

import errno
import select
import socket
from collections.abc import Iterator

import pytest

from skypy.core.tcp.state import State
from skypy.core.wire.socket_lane import CLOSE
from skypy.net.worker_lane import MARK_BYTES
from tests.net.descriptors import open_descriptors
from tests.net.players import PLENTY, Held, Worker
from tests.net.stage import Stage, await_kernel, reset

MOST = 16 * MARK_BYTES


def pour(stage: Stage, worker: Worker, peer: socket.socket) -> bytes:
    """Send from a peer until the worker's lane is full and the socket service takes no more."""
    sent = b""
    while len(sent) < MOST:
        try:
            sent += PLENTY[: peer.send(PLENTY)]
        except BlockingIOError:
            if worker.far_end.full and not stage.ready:
                return sent
            stage.turn(0.01)
    pytest.fail("the service never stops reading")


@pytest.fixture
def worker(stage: Stage) -> Iterator[Worker]:
    """Make a worker that will not read."""
    worker = stage.add_worker()
    yield worker
    worker.reading = True


def fill(stage: Stage, worker: Worker) -> tuple[Held, socket.socket, bytes]:
    """Fill a worker's lane. Returns the connection that did it, its peer, and the bytes that the peer sent."""
    held, peer = stage.pair(worker)
    held.duplicate.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 17)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 17)
    worker.reading = False
    return held, peer, pour(stage, worker, peer)


def test_the_service_stops_reading_for_it_and_loses_nothing(stage: Stage, worker: Worker) -> None:
    held, _, sent = fill(stage, worker)
    assert len(sent) > MARK_BYTES
    assert stage.ready == []
    worker.reading = True
    stage.until(lambda: len(held.input) == len(sent), "all bytes")
    assert held.input == sent


def test_room_in_the_lane_wakes_the_service(stage: Stage, worker: Worker) -> None:
    held, _, sent = fill(stage, worker)
    assert stage.ready == []
    worker.reading = True
    worker.take()
    assert stage.ready  # or a wait without a limit would never end
    stage.until(lambda: len(held.input) == len(sent), "all bytes")


def test_reading_goes_on_after_the_worker_has_caught_up(stage: Stage, worker: Worker) -> None:
    held, peer, sent = fill(stage, worker)
    worker.reading = True
    stage.until(lambda: len(held.input) == len(sent), "all bytes")
    worker.reading = False
    sent += pour(stage, worker, peer)
    worker.reading = True
    peer.shutdown(socket.SHUT_WR)
    stage.until(lambda: held.ends, "the end")
    assert held.input == sent
    assert held.ends == [0]


def test_every_socket_of_that_worker_waits_and_is_resumed(stage: Stage, worker: Worker) -> None:
    others = [stage.pair(worker) for _ in range(5)]
    held, _, sent = fill(stage, worker)
    for _, peer in others:
        peer.sendall(PLENTY[:1000])
        peer.shutdown(socket.SHUT_WR)
    stage.settle()
    assert all(other.reports == [] for other, _ in others)
    worker.reading = True
    stage.until(lambda: all(other.ends for other, _ in others), "the other sockets' end")
    assert [other.input for other, _ in others] == [PLENTY[:1000]] * 5
    stage.until(lambda: len(held.input) == len(sent), "all bytes")


def test_the_sockets_of_other_workers_go_on(stage: Stage, worker: Worker) -> None:
    pairs = [stage.pair() for _ in range(3)]
    fill(stage, worker)
    for held, peer in pairs * 3:
        stage.echo(held, peer)
    stage.settle()


def test_its_requests_are_carried_out_meanwhile(stage: Stage, worker: Worker) -> None:
    other, other_peer = stage.pair(worker)
    held, peer, sent = fill(stage, worker)
    other.write(b"bye")
    other.close()
    assert stage.read_to_end(other_peer) == (b"bye", 0)
    held.write(PLENTY)
    assert stage.read(peer, len(PLENTY)) == PLENTY
    worker.reading = True
    stage.until(lambda: len(held.input) == len(sent), "all bytes")


def test_a_socket_that_waits_for_the_lane_can_be_closed_safely(stage: Stage, worker: Worker) -> None:
    held, peer, _ = fill(stage, worker)
    worker.send_at_once(held.writing(PLENTY), (CLOSE, held.id))
    assert stage.read_to_end(peer) == (PLENTY, 0)
    peer.sendall(b"discarded")
    peer.close()
    stage.until_state(held, State.CLOSED)


def test_a_socket_that_waits_for_the_lane_may_stop_reading(stage: Stage, worker: Worker) -> None:
    held, peer, sent = fill(stage, worker)
    held.shutdown("r")
    stage.until(lambda: select.select([], [peer], [], 0)[1], "room for more")  # it is read again, to nowhere
    assert worker.far_end.full
    worker.reading = True
    stage.until(lambda: held.ends, "the end")
    assert sent.startswith(held.input)
    stage.settle()


def test_a_reset_meanwhile_does_not_keep_the_service_awake_and_is_reported_last(stage: Stage, worker: Worker) -> None:
    held, peer, sent = fill(stage, worker)
    reset(peer)
    await_kernel(held.duplicate, select.POLLHUP)
    stage.settle()
    assert stage.ready == []
    worker.reading = True
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    assert sent.startswith(held.input)
    assert len(held.input) > MARK_BYTES
    assert held.ends == [errno.ECONNRESET]


def test_clients_accepted_meanwhile_keep_their_descriptors(stage: Stage, worker: Worker) -> None:
    held, _, sent = fill(stage, worker)
    listener = next(iter(worker.held.values()))
    peers = []
    for _ in range(100):
        peers.append(stage.peer(listener.address[1]))
        stage.turn()
    stage.settle()
    worker.reading = True
    stage.until(lambda: len(worker.accepted(listener)) == 101, "the clients")
    accepted = worker.accepted(listener)[1:]
    assert [one.duplicate.getpeername() for one in accepted] == [peer.getsockname() for peer in peers]
    stage.until(lambda: len(held.input) == len(sent), "all bytes")


def test_a_client_that_is_accepted_and_gone_meanwhile_still_arrives_whole(stage: Stage, worker: Worker) -> None:
    fill(stage, worker)
    listener = next(iter(worker.held.values()))
    peer = stage.peer(listener.address[1])
    peer.sendall(b"hello")
    peer.close()
    stage.settle()
    worker.reading = True
    stage.until(lambda: len(worker.accepted(listener)) == 2, "the client")
    client = worker.accepted(listener)[1]
    client.credit()
    stage.until(lambda: client.ends, "the end")
    assert (client.input, client.ends) == (b"hello", [0])


def test_a_worker_that_dies_with_a_full_lane_leaves_nothing(stage: Stage) -> None:
    before = open_descriptors()
    worker = stage.add_worker()
    held, peer, _ = fill(stage, worker)
    listener = next(iter(worker.held.values()))
    taken = open_descriptors()
    waiting = [stage.peer(listener.address[1]) for _ in range(20)]
    stage.settle()
    assert len(open_descriptors()) == len(taken) + 3 * len(waiting)  # a peer, its other end, the copy on its way
    held.write(b"the last words")
    worker.die()
    assert stage.read_to_end(peer) == (b"the last words", 0)
    for one in [peer, *waiting]:
        one.close()
    stage.until(lambda: open_descriptors() == before, "the end of everything")
