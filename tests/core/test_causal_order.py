"""Writes to a socket by actors of four workers: what happened before is on the wire before, and no close loses it.

The tests drive the real ends of connections, fences and gates against each other, and check the history of the actors.
Others show that they would notice a missing rule, one of them each of the simpler ways that do not do.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skypy.core.causal.fence import Fence, Gate
from skypy.core.causal.passages import Passages
from skypy.core.tcp.connection import Connection
from skypy.core.tcp.hand_over import HandOver
from skypy.core.tcp.leases import Leases
from skypy.core.tcp.worker_port import WorkerPort
from skypy.core.wire.socket_lane import HIGH
from tests.core.causal_world import CausalWorld, Talker
from tests.core.hand_over_world import ID, Worker, play_in

pytestmark = pytest.mark.interpreted

STEPS: Final = 120
ATTEMPTS: Final = 8000

Patch = pytest.MonkeyPatch


def play_often(times: int) -> None:
    for seed in range(times):
        play_in(CausalWorld(), random.Random(seed).randbytes(2 * STEPS))


@settings(max_examples=500, deadline=None)
@given(st.binary(min_size=2 * STEPS, max_size=2 * STEPS))
def test_what_happened_before_is_on_the_wire_before(choices: bytes) -> None:
    play_in(CausalWorld(), choices)


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_what_happened_before_is_on_the_wire_before_in_a_hundred_thousand_histories() -> None:
    play_often(100_000)


# -- an actor, or a worker, that is stuck ------------------------------------------------------------------------------


def test_an_owner_that_hears_nothing_holds_nothing_else_back() -> None:
    world = CausalWorld()
    _, writer, third, _ = world.workers
    writer.write(1)
    writer.end_turn()
    writer.say(5)
    world.serve(writer, 0)
    assert third.number == 3
    third.hear_other(writer, 0)
    assert not third.known, "the write may not have passed, as far as the third worker knows"
    world.serve(third, 0)
    third.hear(0)
    assert third.known == writer.known


def test_an_end_of_a_socket_of_another_worker_is_counted_as_a_write_to_it() -> None:
    world = CausalWorld()
    _, writer, third, _ = world.workers
    writer.write(1)
    writer.end_elsewhere(0)
    writer.say(5)
    world.serve(writer, 0)
    third.hear_other(writer, 0)
    assert not third.known, "the write has passed, the end has not"
    world.serve(writer, 0)
    world.serve(third, 0)
    third.hear(0)
    assert third.known == writer.known


def test_a_worker_says_on_what_it_has_heard_by_way_of_the_node() -> None:
    world = CausalWorld()
    owner, writer, third, _ = world.workers
    writer.write(1)
    writer.end_turn()
    writer.say(0)
    while writer.requests:
        world.serve(writer, 0)
    writer.hear(0)
    world.tell_node(writer, 0)
    third.hear_node(0)
    assert third.fence.behind
    third.say(1)
    owner.hear_other(third, 0)
    assert not owner.known, "the write is on its way to the owner"
    owner.hear(0)
    assert owner.known == writer.known


# -- tempting, and wrong -----------------------------------------------------------------------------------------------


def messages_are_handled_when_they_come(patch: Patch) -> None:
    patch.setattr(Gate, "admit", lambda self, made, total, batch: True)


def only_the_writers_own_count_matters(patch: Patch) -> None:
    patch.setattr(Fence, "is_met", lambda self, number, made, total: self._passed.get(number, 0) >= made)


def only_the_total_matters(patch: Patch) -> None:
    patch.setattr(Fence, "is_met", lambda self, number, made, total: self.total >= total)


def the_count_of_a_claimed_socket_is_left_out(patch: Patch) -> None:
    def write(self: Talker, n: int) -> None:
        made = self.fence.made
        true_write(self, n)
        if self.takers and not self.takers[-1].done():
            self.fence.made = made

    true_write = Worker.write
    patch.setattr(Worker, "write", write)


def the_node_is_told_at_once(patch: Patch) -> None:
    patch.setattr(Fence, "own_has_passed", property(lambda self: True))


def a_worker_that_is_behind_writes_directly(patch: Patch) -> None:
    def require(self: Fence, total: int) -> None:
        self.known = max(self.known, total)

    patch.setattr(Fence, "require", require)


def a_new_owner_writes_directly_while_its_own_messages_are_under_way(patch: Patch) -> None:
    patch.setattr(Leases, "_is_indirect", lambda self, socket: self._fence.behind)


def a_close_does_not_wait_for_the_owners_own_messages(patch: Patch) -> None:
    def close(self: Leases[Any, Any], socket: Any) -> None:
        socket.flush()
        socket.lease.close()
        self._part_with(socket)

    patch.setattr(Leases, "close", close)


def a_shutdown_does_not_wait_for_the_owners_own_messages(patch: Patch) -> None:
    patch.setattr(Leases, "shutdown_write", lambda self, socket: socket.shutdown_write())


def what_was_held_is_dropped_when_the_owner_has_closed(patch: Patch) -> None:
    patch.setattr(Connection, "_queue_held", lambda self: None)


def a_taker_is_not_told_which_of_its_messages_have_come(patch: Patch) -> None:
    patch.setattr(HandOver, "sent_since", lambda self, owner: 0)


def a_fence_is_answered_before_its_count_is_reached(patch: Patch) -> None:
    def fence(self: Passages, worker: WorkerPort, process_number: int, count: int) -> None:
        self._passed[process_number] = max(self._passed[process_number], count)
        true_fence(self, worker, process_number, count)

    true_fence = Passages.fence
    patch.setattr(Passages, "fence", fence)


def an_end_that_waited_goes_behind_the_connection(patch: Patch) -> None:
    def yielded(self: Connection, *last_words: Any) -> Any:
        assert self.hand_over is not None
        handed_over = true_yielded(self, *last_words)
        if handed_over is None:
            return None
        self.hand_over._ends = handed_over[11]
        return (*handed_over[:11], (), *handed_over[12:])

    def resume(self: Connection) -> Any:
        assert self.hand_over is not None
        self.hand_over.end_again(self.worker)
        return true_resume(self)

    true_yielded, true_resume = Connection.yielded, Connection.resume
    patch.setattr(Connection, "yielded", yielded)
    patch.setattr(Connection, "resume", resume)


class Output(frozenset[bytes]):
    """Knowledge that comes with a message to be written."""

    message: bytes


def output_goes_over_the_bus(patch: Patch) -> None:
    def write(self: Talker, n: int) -> None:
        owner = next((worker for worker in self.world.workers if worker.socket is not None), self)
        if owner is self:
            true_write(self, n)
            return
        message = self.world.peer.message(self.number, "H", 7)
        self.world.peer.happened_before(message, self.known)
        self.world.after[message] = frozenset(self.known)
        self.known.add(message)
        output = Output(self.known)
        output.message = message
        self.bus[owner.number].append((self.fence.made, self.fence.known, output))

    def learn(self: Talker, known: frozenset[bytes]) -> None:
        if isinstance(known, Output) and self.socket is not None:
            self.leases.write(ID, known.message, HIGH)
        true_learn(self, known)

    true_write, true_learn = Worker.write, Worker._learn
    patch.setattr(Worker, "write", write)
    patch.setattr(Worker, "_learn", learn)


WRONG: Final[list[Callable[[Patch], None]]] = [
    output_goes_over_the_bus,
    messages_are_handled_when_they_come,
    only_the_writers_own_count_matters,
    only_the_total_matters,
    the_count_of_a_claimed_socket_is_left_out,
    the_node_is_told_at_once,
    a_worker_that_is_behind_writes_directly,
    a_new_owner_writes_directly_while_its_own_messages_are_under_way,
    a_close_does_not_wait_for_the_owners_own_messages,
    a_shutdown_does_not_wait_for_the_owners_own_messages,
    what_was_held_is_dropped_when_the_owner_has_closed,
    a_taker_is_not_told_which_of_its_messages_have_come,
    a_fence_is_answered_before_its_count_is_reached,
    an_end_that_waited_goes_behind_the_connection,
]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
def test_it_is_noticed_when(wrong: Callable[[Patch], None], monkeypatch: Patch) -> None:
    wrong(monkeypatch)
    with pytest.raises(AssertionError):
        play_often(ATTEMPTS)


def test_it_is_noticed_when_an_answer_waits_until_the_owner_has_handled_the_write(monkeypatch: Patch) -> None:
    def is_handled(self: Passages) -> bool:
        return not any(under_way.writes for under_way in self._under_way.values())

    def answer(self: Passages) -> None:
        if is_handled(self):
            true_answer(self)

    true_answer = Passages._answer_fences
    monkeypatch.setattr(Passages, "_answer_fences", answer)
    with pytest.raises((AssertionError, IndexError)):
        test_an_owner_that_hears_nothing_holds_nothing_else_back()
