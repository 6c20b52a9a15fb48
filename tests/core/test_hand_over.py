"""A socket that changes hands between workers, under every timing: nothing is lost, doubled, reordered or interleaved.

The first test drives the real ends against each other; the others show that it would notice a missing rule.
The steps are drawn as plain bytes and not by a RuleBasedStateMachine, which takes twenty times as long for an example
and, as it leaves out most rules of each, meets the rare crossings ten times less often.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Sequence
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skypy.core.causal.passages import Passages
from skypy.core.close_reason import CloseReason
from skypy.core.errors import InternalError, SkypyError
from skypy.core.tcp.connection import Connection
from skypy.core.tcp.connection_read_half import ConnectionReadHalf
from skypy.core.tcp.hand_over import End, HandOver, Remains
from skypy.core.tcp.lease import Lease, LeaseState
from skypy.core.tcp.output_queue import OutputQueue
from skypy.core.tcp.read_half import ReadState
from skypy.core.tcp.state import DELIVERING, DISCARDING, OWNED, Effect, Input, State
from skypy.core.tcp.worker_port import WorkerPort
from skypy.core.tcp.write_half import WriteHalf
from skypy.core.wire.socket_lane import (
    CREDIT,
    HIGH,
    SOCKET_END_BY,
    SOCKET_REFUSED,
    SOCKET_SENT_BY,
    YIELD,
)
from skypy.worker.sockets.stream_socket import StreamSocket
from tests.core.hand_over_world import play

pytestmark = pytest.mark.interpreted

STEPS: Final = 75
ATTEMPTS: Final = 10_000

Patch = pytest.MonkeyPatch
Effects = tuple[Effect, ...]
Messages = Sequence[tuple[int, bytes]]


def is_recalled(connection: Connection) -> bool:
    return connection.hand_over is not None and connection.hand_over.recalled


def play_often(times: int) -> None:
    for seed in range(times):
        play(random.Random(seed).randbytes(2 * STEPS))


@settings(max_examples=700, deadline=None)
@given(st.binary(min_size=2 * STEPS, max_size=2 * STEPS))
def test_a_socket_changes_hands_without_loss(choices: bytes) -> None:
    play(choices)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_a_socket_changes_hands_without_loss_a_hundred_thousand_times() -> None:
    play_often(100_000)


# -- tempting, and wrong -----------------------------------------------------------------------------------------------


def the_service_reads_on_during_a_recall(patch: Patch) -> None:
    def wants_read(self: Connection) -> bool:
        return self.read_half.wanted if self.state in DELIVERING else self.state in DISCARDING

    patch.setattr(Connection, "wants_read", property(wants_read))


def the_service_reads_on_while_the_reading_is_lent(patch: Patch) -> None:
    def wants_read(self: Connection) -> bool:
        if self.state in DELIVERING:
            return self.read_half.read < self.read_half.limit and (
                self.hand_over is None or not self.hand_over.recalled
            )
        return self.state in DISCARDING

    patch.setattr(Connection, "wants_read", property(wants_read))


def the_reading_is_lent_before_the_last_data_is_delivered(patch: Patch) -> None:
    def deliver(self: ConnectionReadHalf, worker: WorkerPort, data: bytes, *, more: bool = False) -> None:
        if self._deliveries + 1 == self._lend_after and self.wanted:
            self.lend(worker)
        true_deliver(self, worker, data, more=more)

    true_deliver = ConnectionReadHalf.deliver
    patch.setattr(ConnectionReadHalf, "deliver", deliver)


def the_worker_reads_on_after_it_has_returned_the_reading(patch: Patch) -> None:
    def take_input(self: StreamSocket) -> bool:
        half = self.read_half
        if half.state is not ReadState.OPEN or half.read == half.limit:
            return true_take_input(self)
        with contextlib.suppress(OSError):
            half.received(self.kernel.read(3, half.limit - half.read))
        return True

    true_take_input = StreamSocket.take_input
    patch.setattr(StreamSocket, "take_input", take_input)


def the_reading_comes_back_without_the_errno_that_was_met(patch: Patch) -> None:
    def returned(self: Connection, position: int, limit: int, error: int) -> Effects:
        return true_returned(self, position, limit, 0)

    true_returned = Connection.returned
    patch.setattr(Connection, "returned", returned)


def yield_comes_without_what_was_read(patch: Patch) -> None:
    def recalled(self: Lease, *origin: Any) -> None:
        if self.read_half.state is ReadState.LENT:
            self.read_half.state = ReadState.OPEN
        true_recalled(self, *origin)

    true_recalled = Lease.recalled
    patch.setattr(Lease, "recalled", recalled)


def what_a_shutdown_has_crossed_stays_lent(patch: Patch) -> None:
    def shutdown(self: Connection, how: str) -> Effects:
        lent = self.read_half.lent
        effects = true_shutdown(self, how)
        self.read_half.lent = lent and self.state in OWNED
        return effects

    def lent(self: Lease) -> bool:
        return self.read_half.state is ReadState.OPEN and true_lent(self)

    true_shutdown, true_lent = Connection.shutdown, Lease.lent
    patch.setattr(Connection, "shutdown", shutdown)
    patch.setattr(Lease, "lent", lent)


def yield_comes_without_what_is_corked(patch: Patch) -> None:
    def recalled(self: Lease, *origin: Any) -> None:
        self.write_half.corked.clear()
        true_recalled(self, *origin)

    true_recalled = Lease.recalled
    patch.setattr(Lease, "recalled", recalled)


def high_priority_goes_before_a_half_sent_message(patch: Patch) -> None:
    def advance(self: OutputQueue, sent: int) -> None:
        true_advance(self, sent)
        if self._half_sent:
            self._low = [bytes(self._half_sent), *self._low]
            self._half_sent = b""

    true_advance = OutputQueue.advance
    patch.setattr(OutputQueue, "advance", advance)


def the_right_to_write_comes_back_by_a_flag(patch: Patch) -> None:
    def progressed(self: WriteHalf, position: int) -> None:
        self.sent = self.out

    patch.setattr(WriteHalf, "progressed", progressed)


def the_owner_writes_directly_while_something_is_handed_over(patch: Patch) -> None:
    patch.setattr(Lease, "may_write_directly", property(lambda self: self.descriptor is not None))


def the_service_queues_foreign_output_itself(patch: Patch) -> None:
    def send(self: Passages, source: WorkerPort, ids: Sequence[int], messages: Messages) -> None:
        connection = self._find(ids[0])
        if connection is not None and connection.queue.size and connection.state in OWNED:
            for priority, data in messages:
                connection.queue.append(data, priority)
        else:
            true_send(self, source, ids, messages)

    true_send = Passages.send
    patch.setattr(Passages, "send", send)


def the_service_writes_foreign_output_after_the_owners_death(patch: Patch) -> None:
    def send(self: Passages, source: WorkerPort, ids: Sequence[int], messages: Messages) -> None:
        connection = self._find(ids[0])
        if connection is not None and connection.state is State.CLOSING:
            for _, data in messages:
                connection.queue.append(data, HIGH)
        else:
            true_send(self, source, ids, messages)

    true_send = Passages.send
    patch.setattr(Passages, "send", send)


def output_for_a_recalled_owner_is_not_held(patch: Patch) -> None:
    def foreign_write(self: HandOver, source: WorkerPort, messages: Messages) -> bool:
        recalled, self.recalled = self.recalled, False
        passed = true_foreign_write(self, source, messages)
        self.recalled = recalled
        return passed

    true_foreign_write = HandOver.foreign_write
    patch.setattr(HandOver, "foreign_write", foreign_write)


def what_was_held_follows_own_instead_of_coming_with_it(patch: Patch) -> None:
    def yielded(self: Connection, *last_words: Any) -> Any:
        assert self.hand_over is not None
        held = self.hand_over.take_held()
        own = true_yielded(self, *last_words)
        self.hand_over._held = held
        return own

    def resume(self: Connection) -> Effects:
        assert self.hand_over is not None
        self.worker.send((SOCKET_SENT_BY, [self.id], 0, 0, 0, self.hand_over.take_held()))
        return true_resume(self)

    true_yielded, true_resume = Connection.yielded, Connection.resume
    patch.setattr(Connection, "yielded", yielded)
    patch.setattr(Connection, "resume", resume)


def the_service_waits_for_yield_although_close_crossed_recall(patch: Patch) -> None:
    def close(self: Connection, *reason: CloseReason, missing: bool = False) -> Effects:
        return () if is_recalled(self) and not reason else true_close(self, *reason, missing=missing)

    true_close = Connection.close
    patch.setattr(Connection, "close", close)


def a_recall_is_over_when_the_taker_dies(patch: Patch) -> None:
    def worker_died(self: HandOver, dead: WorkerPort) -> None:
        true_worker_died(self, dead)
        self.recalled &= bool(self._takers)

    true_worker_died = HandOver.worker_died
    patch.setattr(HandOver, "worker_died", worker_died)


def a_shutdown_is_carried_out_during_a_recall(patch: Patch) -> None:
    def shutdown(self: Connection, how: str) -> Effects:
        if not is_recalled(self):
            return true_shutdown(self, how)
        assert self.hand_over is not None
        self.hand_over.recalled = False
        effects = true_shutdown(self, how)
        self.hand_over.recalled = True
        return effects

    true_shutdown = Connection.shutdown
    patch.setattr(Connection, "shutdown", shutdown)


def the_new_owner_of_a_half_closed_socket_grants_no_credit(patch: Patch) -> None:
    def start(self: Lease, owner: int) -> None:
        half = self.read_half
        half.grant(half.read + half.window)
        if half.state is ReadState.OPEN and self.state is LeaseState.OWNED:
            self.send((CREDIT, self.id, half.limit, owner))

    patch.setattr(Lease, "start", start)


def writers_are_not_told_of_the_end(patch: Patch) -> None:
    def dismiss(self: HandOver, state: State) -> None:
        self._writers = ()
        true_dismiss(self, state)

    true_dismiss = HandOver.dismiss_writers
    patch.setattr(HandOver, "dismiss_writers", dismiss)


def takers_of_an_ended_connection_are_refused(patch: Patch) -> None:
    patch.setattr(Remains, "take_over", lambda self, taker: taker.send((SOCKET_REFUSED, self._id)))


def yield_that_crossed_the_end_means_nothing(patch: Patch) -> None:
    def serve(self: Remains, kind: int, fields: Any) -> bool:
        return kind != YIELD and true_serve(self, kind, fields)

    true_serve = Remains.serve
    patch.setattr(Remains, "serve", serve)


def yield_that_crossed_the_end_says_how_it_ended(patch: Patch) -> None:
    def yielded(self: Remains, unread: bytes, out: int, reading: str, *others: Any) -> None:
        true_yielded(self, unread, out, "ended" if reading == "open" else reading, *others)

    true_yielded = Remains._yielded
    patch.setattr(Remains, "_yielded", yielded)


def an_owner_leaves_what_remains_without_a_word(patch: Patch) -> None:
    def leave(self: Lease, kind: int, *fields: Any) -> None:
        if self.state is LeaseState.DEAD:
            self.read_half.buffer.clear()
        else:
            true_leave(self, kind, *fields)

    true_leave = Lease._leave
    patch.setattr(Lease, "_leave", leave)


def a_worker_that_breaks_it_is_recalled_once(patch: Patch) -> None:
    patch.setattr(Remains, "recall_again", lambda self: None)


def the_takers_are_refused_when_it_ends_during_a_recall(patch: Patch) -> None:
    def apply(self: Connection, given: Input) -> Effects:
        effects = true_apply(self, given)
        if self.hand_over is not None and self.state not in OWNED:
            self.hand_over.dismiss_takers()
        return effects

    true_apply = Connection.apply
    patch.setattr(Connection, "apply", apply)


def an_end_by_another_goes_to_a_recalled_owner(patch: Patch) -> None:
    def end_by(self: HandOver, owner: WorkerPort, _: WorkerPort, end: End) -> None:
        owner.send((SOCKET_END_BY, self._id, *end))

    patch.setattr(HandOver, "end_by", end_by)


def the_end_of_what_remains_is_read_twice(patch: Patch) -> None:
    def yielded(self: Remains, unread: bytes, out: int, reading: str, *others: Any) -> None:
        true_yielded(self, unread, out, "open", *others)

    true_yielded = Remains._yielded
    patch.setattr(Remains, "_yielded", yielded)


WRONG: Final[list[Callable[[Patch], None]]] = [
    the_service_reads_on_during_a_recall,
    the_service_reads_on_while_the_reading_is_lent,
    the_reading_is_lent_before_the_last_data_is_delivered,
    the_worker_reads_on_after_it_has_returned_the_reading,
    the_reading_comes_back_without_the_errno_that_was_met,
    yield_comes_without_what_was_read,
    yield_comes_without_what_is_corked,
    high_priority_goes_before_a_half_sent_message,
    the_right_to_write_comes_back_by_a_flag,
    the_owner_writes_directly_while_something_is_handed_over,
    the_service_queues_foreign_output_itself,
    the_service_writes_foreign_output_after_the_owners_death,
    output_for_a_recalled_owner_is_not_held,
    what_was_held_follows_own_instead_of_coming_with_it,
    the_service_waits_for_yield_although_close_crossed_recall,
    a_recall_is_over_when_the_taker_dies,
    a_shutdown_is_carried_out_during_a_recall,
    the_new_owner_of_a_half_closed_socket_grants_no_credit,
    writers_are_not_told_of_the_end,
    takers_of_an_ended_connection_are_refused,
    yield_that_crossed_the_end_means_nothing,
    yield_that_crossed_the_end_says_how_it_ended,
    an_owner_leaves_what_remains_without_a_word,
    a_worker_that_breaks_it_is_recalled_once,
    the_takers_are_refused_when_it_ends_during_a_recall,
    an_end_by_another_goes_to_a_recalled_owner,
    the_end_of_what_remains_is_read_twice,
]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
def test_it_is_noticed_when(wrong: Callable[[Patch], None], monkeypatch: Patch) -> None:
    wrong(monkeypatch)
    any_check = (AssertionError, SkypyError, InternalError, LookupError, ValueError)
    with pytest.raises(any_check):
        play_often(ATTEMPTS)
