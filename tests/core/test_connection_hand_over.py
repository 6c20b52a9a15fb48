"""Other workers at the socket service's end of a connection: takers, and requests that cross a recall."""

from __future__ import annotations

import errno

import pytest

from skypy.core.causal.passages import Passages
from skypy.core.close_reason import CloseReason
from skypy.core.tcp.connection import Connection
from skypy.core.tcp.hand_over import Remains
from skypy.core.tcp.state import OWNED, Effect, State
from skypy.core.tcp.worker_port import NOBODY
from skypy.core.wire.socket_lane import (
    BREAK,
    CLOSE,
    CREDIT,
    HIGH,
    SOCKET_CLOSE,
    SOCKET_END_BY,
    SOCKET_FENCED,
    SOCKET_FORGET,
    SOCKET_GONE,
    SOCKET_HANDED_OVER,
    SOCKET_RECALL,
    SOCKET_REFUSED,
    SOCKET_REMAINS,
    SOCKET_SENT_BY,
    WRITE,
    YIELD,
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


# -- a connection that has ended ---------------------------------------------------------------------------------------


def remaining(made: Connection) -> Remains:
    """Return the part of an ended connection that its owner has."""
    assert made.remains is not None
    return made.remains


def reset() -> tuple[Remains, Heard]:
    """Make a connection that its peer has reset, and whose owner has heard of it."""
    made, heard = connection()
    made.end_of_input(errno.ECONNRESET)
    heard.clear()
    return remaining(made), heard


def test_a_connection_that_has_ended_under_its_owner_is_remembered_until_the_owner_leaves_it() -> None:
    remains, heard = reset()
    assert not remains.left
    assert remains.serve(CLOSE, [])
    assert (remains.left, heard) == (True, [])


def test_a_connection_that_its_owner_has_closed_leaves_nothing() -> None:
    made, _ = connection()
    made.close()
    made.end_of_input()
    assert (made.state, made.remains) == (State.CLOSED, None)


def test_what_remains_goes_to_the_taker_with_the_end_and_its_reason() -> None:
    made, heard = connection()
    made.received(6)
    made.break_off(errno.EMSGSIZE, CloseReason.BUFFER_LIMIT)
    heard.clear()
    taker, told = other_worker()
    remains = remaining(made)
    remains.take_over(taker)
    assert heard == [(SOCKET_RECALL, ID)]
    assert remains.serve(YIELD, [b"unread", 10, "broken", errno.EMSGSIZE, False, "peer", None])
    end = ("broken", errno.EMSGSIZE, CloseReason.BUFFER_LIMIT)
    assert told == [(SOCKET_REMAINS, ID, b"unread", 6, 10, 0, *end, "peer", None)]
    assert (remains.worker, remains.left) == (taker, False)


@pytest.mark.parametrize(("yielded", "taken"), [("ended", "ended"), ("broken", "broken"), ("open", "broken")])
def test_an_end_that_the_former_reader_has_met_is_not_met_again(yielded: str, taken: str) -> None:
    remains, _ = reset()
    taker, told = other_worker()
    remains.take_over(taker)
    remains.serve(YIELD, [b"", 0, yielded, errno.ECONNRESET, False])
    assert told[0][6:9] == (taken, errno.ECONNRESET, CloseReason.RESET)


def test_a_connection_that_ends_during_a_recall_goes_to_the_taker_as_ended() -> None:
    made, heard = connection(State.HALF_CLOSED_READ, queued=b"abc")
    taker, told = other_worker()
    made.take_over(taker)
    made.write_failed(errno.ECONNRESET)
    assert told == []
    remaining(made).serve(YIELD, [b"unread", 3, "ended", 0, True])
    assert [message[0] for message in told] == [SOCKET_REMAINS]
    assert heard.kinds().count(SOCKET_FORGET) == 1


def test_a_worker_that_breaks_a_connection_when_it_is_recalled_is_recalled_again() -> None:
    made, heard = connection()
    taker, told = other_worker()
    made.take_over(taker)
    made.break_off(errno.EMSGSIZE, CloseReason.BUFFER_LIMIT)
    assert heard.kinds() == [SOCKET_RECALL, SOCKET_CLOSE, SOCKET_FORGET, SOCKET_RECALL]
    assert told == []
    assert remaining(made).serve(BREAK, [errno.EMSGSIZE, CloseReason.BUFFER_LIMIT]), "it crossed the end as well"


@pytest.mark.parametrize("died", [False, True])
def test_takers_of_what_remains_are_refused_when_the_owner_leaves_or_dies(died: bool) -> None:
    remains, _ = reset()
    taker, told = other_worker()
    remains.take_over(taker)
    if died:
        remains.worker_died(remains.worker)
    else:
        remains.serve(CLOSE, [])
    assert told == [(SOCKET_REFUSED, ID)]
    assert remains.left


def test_what_remains_is_gone_when_every_taker_has_died() -> None:
    remains, _ = reset()
    taker, _ = other_worker()
    remains.take_over(taker)
    remains.worker_died(taker)
    remains.serve(YIELD, [b"", 0, "broken", errno.ECONNRESET, False])
    assert (remains.worker, remains.left) == (NOBODY, True)


def test_a_credit_names_the_actor_that_has_what_remains_and_other_requests_mean_nothing() -> None:
    remains, _ = reset()
    assert remains.serve(CREDIT, [100, 0x02000003])
    assert remains.owner == 0x02000003
    assert not remains.serve(WRITE, [0, [], 0])


def test_an_end_by_another_worker_goes_to_the_owner_or_waits_for_the_next() -> None:
    made, heard = connection()
    passages = Passages(lambda _: made)
    other, _ = other_worker()
    assert passages.end(other, "abort", made)
    assert heard == [(SOCKET_END_BY, ID, "abort", 1, 1, 1)]
    made.take_over(other_worker()[0])
    passages.end(other, "close", made)
    assert heard.kinds() == [SOCKET_END_BY, SOCKET_RECALL]
    handed_over = made.yielded(b"", 0, "open", 0, True)
    assert handed_over is not None
    assert handed_over[11] == (("close", 1, 2, 2),)
    made.resume()
    made.close()
    assert not passages.end(other, "close", made)


def test_an_end_that_waits_for_the_next_owner_stands_behind_the_output_that_waits_and_nothing_behind_it() -> None:
    made, _ = connection()
    writer, told = other_worker()
    passages = Passages(lambda _: made)
    made.take_over(other_worker()[0])
    passages.send(writer, [ID], [(HIGH, b"before")])
    passages.end(writer, "w", made)
    passages.send(writer, [ID], [(HIGH, b"behind")])
    handed_over = made.yielded(b"", 0, "open", 0, True)
    assert handed_over is not None
    assert (handed_over[8], handed_over[9]) == (True, [(HIGH, b"before")])
    assert handed_over[11] == (("w", 1, 2, 2),)
    assert made.hand_over is not None
    assert made.hand_over.dropped == 1
    passages.dropped(made, by_death=False)
    assert (passages.late, told[-1]) == (1, (SOCKET_GONE, ID, True))


def test_an_end_by_another_worker_that_crosses_the_owners_end_loses_nothing() -> None:
    made, _ = connection()
    writer, _ = other_worker()
    made.take_over(writer)
    Passages(lambda _: made).end(writer, "close", made)
    write(made, writer, b"behind")
    assert made.close() == (Effect.AWAIT_FLUSH,)
    assert made.queue.joined() == b"behind"


def test_an_end_by_a_taker_counts_among_what_will_not_come_back_to_it() -> None:
    made, _ = connection()
    taker, _ = other_worker()
    made.take_over(taker)
    write(made, taker, b"one")
    Passages(lambda _: made).end(taker, "close", made)
    handed_over = made.yielded(b"", 0, "open", 0, True)
    assert handed_over is not None
    assert handed_over[10] == 2


def test_an_end_by_another_worker_is_counted_as_a_write() -> None:
    made, _ = connection()
    passages = Passages(lambda _: made)
    other, told = other_worker()
    passages.fence(other, 1, 1)
    assert told == []
    passages.end(other, "r", None)
    assert told == [(SOCKET_FENCED, 1, 1, 1)]
