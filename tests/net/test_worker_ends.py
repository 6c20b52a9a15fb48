"""A worker that ends: output that was handed over is delivered, its sockets end, and no other worker notices."""

from __future__ import annotations

import errno
import re
import socket

import pytest

from skypy.core.output_marks import MARKS
from skypy.core.tcp.state import State
from skypy.core.wire import socket_lane
from skypy.core.wire.socket_lane import CLOSE, CREDIT, LISTEN, SHUTDOWN
from skypy.system.socket_kernel import LINUX
from tests.net.descriptors import open_descriptors
from tests.net.players import CREDIT_FOR_ALL, HOST, PLENTY, Held, Worker
from tests.net.stage import Stage, reset
from tests.net.states import OWNED, bring_to


@pytest.mark.parametrize("state", OWNED)
def test_in_any_state_what_was_handed_over_is_delivered_and_then_the_end(stage: Stage, state: State) -> None:
    held, peer = bring_to(stage, state)
    stage.worker.die()
    assert stage.read_to_end(peer) == (PLENTY[: held.out], 0)
    peer.close()
    stage.until_state(held, State.CLOSED)
    assert stage.lines == []


@pytest.mark.parametrize("state", [State.WRITE_BROKEN, State.CLOSING, State.CLOSING_HALF_CLOSED, State.LINGERING])
def test_sockets_that_were_ending_anyway_go_on_ending(stage: Stage, state: State) -> None:
    held, peer = bring_to(stage, state)
    stage.worker.die()
    data, _ = stage.read_to_end(peer)
    assert data == (PLENTY[: held.out] if state is not State.WRITE_BROKEN else b"")
    peer.close()
    stage.until_state(held, State.CLOSED)


WRITING = [State.OPEN, State.HALF_CLOSED_READ, State.READ_STOPPED]


@pytest.mark.parametrize("state", WRITING)
def test_in_the_middle_of_its_output_what_was_handed_over_is_delivered_and_then_a_reset(
    stage: Stage, state: State
) -> None:
    held, peer = bring_to(stage, state, unsent=True)
    stage.worker.die()
    assert stage.read_to_end(peer) == (PLENTY, errno.ECONNRESET)  # no actor has said that this was all
    stage.until_state(held, State.CLOSED)
    (line,) = stage.lines
    assert re.search(rf"socket: {held.id} gets a reset .* its worker has died .*: \d+ bytes are", line)


def test_so_it_is_when_the_kernel_has_taken_everything_and_the_peer_has_no_room(stage: Stage) -> None:
    held, peer = stage.pair()
    held.duplicate.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * len(PLENTY))
    sent = held.duplicate.send(PLENTY)  # as a worker writes, which tells nothing
    stage.worker.die()
    stage.until_state(held, State.CUT_OFF)
    data, error = stage.read_to_end(peer)
    assert (len(data), error) == (sent, errno.ECONNRESET)


def share_marks(worker: Worker, *numbers: int) -> None:
    """Let a played worker mark the output that has not left it: a count, then ids."""
    descriptor, memory = LINUX.shared_numbers(MARKS)
    for place, number in enumerate(numbers):
        memory[place] = number
    assert isinstance(memory, memoryview)
    memory.release()
    worker.lane.send_with_descriptor((socket_lane.MARKS,), descriptor)
    worker.lane.flush()
    LINUX.close(descriptor)


def test_output_that_had_not_left_the_worker_turns_the_end_of_its_connection_alone_into_a_reset(stage: Stage) -> None:
    (_, other), (held, peer) = stage.pair(), stage.pair()
    share_marks(stage.worker, 1, held.id)
    stage.worker.die()
    assert stage.read_to_end(peer) == (b"", errno.ECONNRESET)
    assert stage.read_to_end(other) == (b"", 0)


def test_so_it_is_for_all_connections_of_a_worker_that_had_more_than_it_could_mark(stage: Stage) -> None:
    peers = [stage.pair()[1] for _ in range(2)]
    share_marks(stage.worker, MARKS)
    stage.worker.die()
    assert [stage.read_to_end(peer) for peer in peers] == [(b"", errno.ECONNRESET)] * 2


def test_marks_that_were_cleared_mean_nothing(stage: Stage) -> None:
    held, peer = stage.pair()
    share_marks(stage.worker, 0, held.id)
    stage.worker.die()
    assert stage.read_to_end(peer) == (b"", 0)


def test_a_peer_that_resets_a_connection_that_is_cut_off_ends_it(stage: Stage) -> None:
    held, peer = bring_to(stage, State.OPEN, unsent=True)
    stage.worker.die()
    stage.until_state(held, State.CUT_OFF)
    reset(peer)
    stage.until_state(held, State.CLOSED)


def test_a_peer_that_takes_nothing_of_what_is_left_is_reset_after_flush_timeout(stage: Stage) -> None:
    stage.patience(flush_timeout=0.02)
    held, peer = bring_to(stage, State.OPEN, unsent=True)
    stage.worker.die()
    stage.until_state(held, State.CLOSED)
    data, error = stage.read_to_end(peer)
    assert len(data) < len(PLENTY)
    assert error == errno.ECONNRESET


def test_requests_that_were_on_their_way_when_the_worker_died_are_carried_out(stage: Stage) -> None:
    held, peer = stage.pair()
    held.write(PLENTY)
    held.write(b"the last words")
    stage.worker.die()
    assert stage.read_to_end(peer) == (PLENTY + b"the last words", errno.ECONNRESET)


def test_input_that_the_worker_had_not_read_does_not_turn_its_end_into_a_reset(stage: Stage) -> None:
    held, peer = stage.pair(credit=10)
    stage.worker.reading = False
    peer.sendall(PLENTY[:5000])
    stage.settle()
    held.write(b"answer")
    stage.worker.die()
    assert stage.read_to_end(peer) == (b"answer", 0)


def test_clients_that_were_never_started_get_a_clean_end(stage: Stage) -> None:
    _, peer = stage.pair(credit=0)
    peer.sendall(b"is anybody there?")
    stage.worker.die()
    assert stage.read_to_end(peer) == (b"", 0)


def test_listeners_refuse_from_then_on(stage: Stage) -> None:
    worker = stage.add_worker()
    ports = [worker.listen(credit=1).address[1] for _ in range(2)]
    stage.settle()
    waiting = [stage.peer(port) for port in ports for _ in range(2)]
    worker.die()
    stage.settle()
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            stage.peer(port)
    assert len(waiting) == 4


def test_the_sockets_of_other_workers_go_on(stage: Stage) -> None:
    other = stage.add_worker()
    pairs = [stage.pair(other) for _ in range(3)]
    for _ in range(3):
        stage.pair()
    stage.worker.die()
    stage.settle()
    for held, peer in pairs:
        stage.echo(held, peer)
    assert stage.service.busy


def test_a_new_worker_can_have_the_port_of_the_one_that_died(stage: Stage) -> None:
    worker = stage.add_worker()
    held, peer = stage.pair(worker)
    port = held.address[1]
    worker.die()
    assert stage.read_to_end(peer) == (b"", 0)
    stage.settle()
    successor = stage.add_worker()
    listener = successor.opened(successor.request(LISTEN, [(socket.AF_INET, HOST, port)], 16, False, True))
    listener.send(CREDIT, 1)
    newcomer = stage.peer(port)
    stage.until(lambda: successor.accepted(listener), "the client")
    accepted: Held = successor.accepted(listener)[0]
    accepted.credit()
    stage.echo(accepted, newcomer)


def test_descriptors_that_were_on_their_way_to_it_are_closed(stage: Stage) -> None:
    before = open_descriptors()
    worker = stage.add_worker()
    listener = worker.listen(credit=CREDIT_FOR_ALL)
    worker.reading = False
    peers = [stage.peer(listener.address[1]) for _ in range(20)]
    stage.settle()
    worker.die()
    for peer in peers:
        assert stage.read_to_end(peer) == (b"", 0)
        peer.close()
    stage.settle()
    assert open_descriptors() == before


def test_a_worker_that_dies_right_after_its_last_close_is_no_special_case(stage: Stage) -> None:
    held, peer = stage.pair()
    peer.sendall(b"unread")
    stage.worker.send_at_once(held.writing(PLENTY), (SHUTDOWN, held.id, "w"), (CLOSE, held.id))
    stage.worker.die()
    assert stage.read_to_end(peer) == (PLENTY, 0)
