"""Other workers at the socket service's end of a connection: takers, and requests that cross a recall."""

from __future__ import annotations

import pytest

from skypy.core.causal.passages import Passages
from skypy.core.close_reason import CloseReason
from skypy.core.tcp.connection import Connection
from skypy.core.tcp.state import OWNED, Effect, State
from skypy.core.tcp.worker_port import NOBODY
from skypy.core.wire.socket_lane import (
    HIGH,
    SOCKET_CLOSE,
    SOCKET_FORGET,
    SOCKET_GONE,
    SOCKET_HANDED_OVER,
    SOCKET_RECALL,
    SOCKET_REFUSED,
    SOCKET_SENT_BY,
)
from tests.core.ends import ID, Heard, OneWorker, connection


def other_worker() -> tuple[OneWorker, Heard]:
    heard = Heard()
    return OneWorker(heard.append), heard


def write(connection: Connection, writer: OneWorker, data: bytes) -> None:
    """Let a worker without the connection write to it."""
    Passages(lambda _: connection).send(writer, [connection.id], [(HIGH, data)])


def test_a_connection_has_no_hand_over_before_another_worker_appears() -> None:
    made, _ = connection()
    made.write(0, [(HIGH, b"abc")], 0)
    made.wrote(3)
    made.received(5)
    made.shutdown("w")
    made.end_of_input()
    assert made.hand_over is None


def test_output_for_a_connection_that_takes_none_is_refused_without_one() -> None:
    made, _ = connection(State.HALF_CLOSED_WRITE)
    writer, told = other_worker()
    passages = Passages(lambda _: made)
    passages.send(writer, [ID], [(HIGH, b"abc")])
    passages.drain(writer, ID, 1)
    assert (told, made.hand_over, passages.late) == ([(SOCKET_GONE, ID, True), (SOCKET_GONE, ID)], None, 1)


@pytest.mark.parametrize("state", State, ids=lambda state: state.name)
def test_a_connection_can_be_taken_over_while_it_has_an_owner(state: State) -> None:
    made, heard = connection(state)
    taker, told = other_worker()
    made.take_over(taker)
    possible = state in OWNED and state is not State.CONNECTING
    assert (heard, told) == (([(SOCKET_RECALL, ID)], []) if possible else ([], [(SOCKET_REFUSED, ID)]))


def test_nothing_is_read_and_no_end_is_met_during_a_recall() -> None:
    made, _ = connection()
    made.take_over(other_worker()[0])
    assert not made.wants_read
    assert not made.may_meet_end


def test_takers_get_the_connection_one_after_the_other() -> None:
    made, heard = connection()
    (first, told_first), (second, told_second) = other_worker(), other_worker()
    made.take_over(first)
    made.take_over(second)
    assert heard == [(SOCKET_RECALL, ID)]
    handed_over = made.yielded(b"unread", 10, "open", 0, True)
    assert handed_over is not None
    assert handed_over[:3] == (SOCKET_HANDED_OVER, ID, b"unread")
    assert made.resume() == ()
    assert (made.worker, told_first, told_second) == (first, [(SOCKET_RECALL, ID)], [])


def test_the_former_owner_forgets_when_the_taker_has_shown_itself() -> None:
    made, heard = connection()
    made.take_over(other_worker()[0])
    made.yielded(b"", 0, "open", 0, True)
    made.resume()
    assert heard == [(SOCKET_RECALL, ID)]
    made.credit(100)
    assert heard[1:] == [(SOCKET_FORGET, ID)]


def test_a_half_that_was_finished_during_a_recall_ends_behind_yield() -> None:
    made, heard = connection()
    taker, told = other_worker()
    made.take_over(taker)
    assert made.shutdown("w") == ()
    assert made.state is State.OPEN
    handed_over = made.yielded(b"", 0, "open", 0, True)
    assert handed_over is not None
    assert handed_over[8] is False, "the taker cannot write"
    assert made.resume() == (Effect.SEND_FIN,)
    assert (made.state, heard, told) == (State.HALF_CLOSED_WRITE, [(SOCKET_RECALL, ID)], [])


def test_a_close_that_crosses_a_recall_ends_the_connection_for_its_takers() -> None:
    made, _ = connection()
    taker, told = other_worker()
    made.take_over(taker)
    assert made.close() == (Effect.SEND_FIN, Effect.AWAIT_END)
    assert told == [(SOCKET_REFUSED, ID)]


def test_when_every_taker_has_died_no_worker_has_the_connection() -> None:
    made, _ = connection()
    taker, _ = other_worker()
    made.take_over(taker)
    assert made.hand_over is not None
    made.hand_over.worker_died(taker)
    assert made.yielded(b"", 0, "open", 0, True) is None
    assert made.worker is NOBODY
    assert made.close() == (Effect.SEND_FIN, Effect.AWAIT_END)


def test_output_of_others_that_comes_during_a_recall_goes_with_the_connection() -> None:
    made, heard = connection()
    writer, _ = other_worker()
    passages = Passages(lambda _: made)
    passages.send(writer, [ID], [(HIGH, b"before")])
    made.take_over(other_worker()[0])
    passages.send(writer, [ID], [(HIGH, b"meanwhile")])
    assert heard == [(SOCKET_SENT_BY, [ID], 1, 1, 1, [(HIGH, b"before")]), (SOCKET_RECALL, ID)]
    handed_over = made.yielded(b"", 0, "open", 0, True)
    assert handed_over is not None
    assert handed_over[9] == [(HIGH, b"meanwhile")]


def test_a_taker_is_told_how_many_of_its_own_writes_will_not_come_back_to_it() -> None:
    made, _ = connection()
    taker, _ = other_worker()
    write(made, taker, b"before it has asked")
    made.take_over(taker)
    write(made, taker, b"one")
    write(made, taker, b"two")
    handed_over = made.yielded(b"", 0, "open", 0, True)
    assert handed_over is not None
    assert handed_over[10] == 2


def test_output_of_others_that_came_during_a_recall_is_written_before_the_owners_end() -> None:
    made, _ = connection()
    made.take_over(other_worker()[0])
    write(made, other_worker()[0], b"meanwhile")
    assert made.close() == (Effect.AWAIT_FLUSH,)
    assert made.queue.joined() == b"meanwhile"


def test_output_of_others_that_came_during_a_recall_is_written_before_a_half_ends() -> None:
    made, _ = connection()
    made.take_over(other_worker()[0])
    write(made, other_worker()[0], b"meanwhile")
    made.shutdown("w")
    handed_over = made.yielded(b"", 10, "open", 0, True)
    assert handed_over is not None
    assert (handed_over[4], handed_over[5], handed_over[8], handed_over[9]) == (19, 10, False, [])
    made.resume()
    assert (made.state, made.queue.joined()) == (State.FINISHING, b"meanwhile")


def test_output_of_others_is_not_written_behind_the_output_of_a_dead_owner() -> None:
    made, _ = connection()
    made.take_over(other_worker()[0])
    write(made, other_worker()[0], b"meanwhile")
    made.close(CloseReason.WORKER_DIED)
    assert made.hand_over is not None
    assert (made.queue.size, made.hand_over.dropped) == (0, 1)


def test_the_end_that_a_taker_meets_is_reported_to_the_taker() -> None:
    made, heard = connection()
    taker, told = other_worker()
    made.take_over(taker)
    made.yielded(b"", 0, "open", 0, True)
    made.resume()
    made.end_of_input()
    assert told == [(SOCKET_CLOSE, ID, 0)]
    assert heard == [(SOCKET_RECALL, ID)]
