"""The bus between workers: one batch per peer and turn, in order, and no wake-up lost."""

import asyncio
import itertools
import random
from collections import Counter
from functools import partial
from typing import Any

import pytest

from skypy.bus.bus import Bus
from tests.bus.conftest import SECONDS, Buses

SMALL = 100


def send_all(one: Bus, number: int, messages: list[Any]) -> None:
    for message in messages:
        assert one.send(number, message, SMALL) is True


def test_messages_sent_before_a_flush_arrive_as_one_batch_in_order(bus: Buses) -> None:
    one, _ = bus.join(1), bus.join(2)
    send_all(one, 2, [[1, "a"], [2, b"b"], [3, None]])
    one.flush()
    bus.run_until(lambda: bool(bus.batches[2]))
    send_all(one, 2, [[4]])
    one.flush()
    bus.run_until(lambda: len(bus.batches[2]) == 2)
    assert bus.batches[2] == [[[1, "a"], [2, b"b"], [3, None]], [[4]]]


def test_nothing_leaves_before_a_flush_and_an_empty_flush_sends_nothing(bus: Buses) -> None:
    one, _ = bus.join(1), bus.join(2)
    send_all(one, 2, [["held back"]])
    bus.loop.run_until_complete(_iterations(20))
    assert bus.batches[2] == []
    for _ in range(3):
        one.flush()
    send_all(one, 2, [["last"]])
    one.flush()
    bus.run_until(lambda: len(bus.messages(2)) == 2)
    assert bus.messages(2) == [["held back"], ["last"]]


def test_a_flush_is_asked_for_once_in_a_batch(bus: Buses) -> None:
    one, _ = bus.join(1), bus.join(2)
    for wanted in (1, 2):
        send_all(one, 2, [["first"], ["second"]])
        assert bus.flushes_wanted[1] == wanted
        one.flush()


def test_a_long_turn_sends_before_it_ends_and_each_time_twice_as_much(bus: Buses) -> None:
    one, _ = bus.join(1), bus.join(2)
    arrived: list[int] = []
    for number in range(1000):
        send_all(one, 2, [[number]])
        bus.loop.run_until_complete(_iterations(1))
        if not arrived or len(bus.messages(2)) > arrived[-1]:
            arrived.append(len(bus.messages(2)))
    assert arrived == [0, 16, 48, 112, 240, 496]
    one.flush()
    send_all(one, 2, [[number] for number in range(1000, 1016)])
    bus.run_until(lambda: len(bus.messages(2)) == 1016)  # the next turn begins anew
    assert bus.messages(2) == [[number] for number in range(1016)]


def test_every_pair_of_workers_keeps_its_own_order(bus: Buses) -> None:
    numbers = (1, 2, 3, 4)
    buses = {number: bus.join(number) for number in numbers}
    chance = random.Random(1)
    sent = Counter[tuple[int, int]]()
    for _ in range(4000):
        source, target = chance.sample(numbers, 2)
        send_all(buses[source], target, [[source, sent[source, target]]])
        sent[source, target] += 1
        if chance.random() < 0.1:
            buses[source].flush()
    for one in buses.values():
        one.flush()
    bus.run_until(lambda: sum(len(bus.messages(number)) for number in numbers) == 4000)
    for target in numbers:
        for source in numbers:
            counts = [count for sender, count in bus.messages(target) if sender == source]
            assert counts == list(range(sent[source, target]))


# -- wake-ups ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outstanding", [1, 2, 50])
def test_no_wake_up_is_lost_under_crossing_traffic(bus: Buses, outstanding: int) -> None:
    """Both sides send whenever they receive, so a notice is always pending while one of them sends or looks."""
    rounds = 3000
    answered = Counter[int]()
    buses: dict[int, Bus] = {}

    def received(number: int, peer: int, messages: list[Any]) -> None:
        one = buses[number]
        for kind, value in messages:
            if kind == "ping":
                one.send(peer, ["pong", value], SMALL)
            else:
                answered[number] += 1
                if value + outstanding < rounds:
                    one.send(peer, ["ping", value + outstanding], SMALL)
        one.flush()

    for number, peer in ((1, 2), (2, 1)):
        buses[number] = bus.join(number, partial(received, number, peer))
    for number, peer in ((1, 2), (2, 1)):
        send_all(buses[number], peer, [["ping", value] for value in range(outstanding)])
        buses[number].flush()
    bus.run_until(lambda: answered[1] == answered[2] == rounds)


def test_a_flood_lets_others_run(bus: Buses) -> None:
    one, _ = bus.join(1), bus.join(2)
    arrived_at_tick: list[int] = []

    def tick() -> None:
        arrived_at_tick.append(len(bus.messages(2)))
        if arrived_at_tick[-1] < 1000:
            bus.loop.call_soon(tick)

    for number in range(1000):
        send_all(one, 2, [[number, b"x" * 10_000]])
        one.flush()
    bus.loop.call_soon(tick)
    bus.run_until(lambda: len(bus.messages(2)) == 1000)
    assert [number for number, _ in bus.messages(2)] == list(range(1000))
    steps = [after - before for before, after in itertools.pairwise(arrived_at_tick)]
    assert max(steps) <= 60  # no callback waited for all of them


def test_messages_behind_a_batch_that_fails_are_read(bus: Buses) -> None:
    arrived: list[Any] = []

    def received(messages: list[Any]) -> None:
        arrived.extend(messages)
        if messages == [["bad"]]:
            raise KeyError("the handler is broken")

    one, _ = bus.join(1), bus.join(2, received)
    for text in ("good", "bad", "better", "bad", "best"):
        send_all(one, 2, [[text]])
        one.flush()
        bus.run_until(lambda text=text: arrived[-1:] == [[text]])  # type: ignore[misc]
    assert len(arrived) == 5
    assert [repr(failure) for failure in bus.failures] == ["KeyError('the handler is broken')"] * 2
    bus.failures.clear()


# -- the end -----------------------------------------------------------------------------------------------------------


def test_messages_flushed_before_the_end_arrive(bus: Buses) -> None:
    one, _ = bus.join(1), bus.join(2)
    send_all(one, 2, [["x" * 1_000_000, number] for number in range(10)])
    one.flush()
    closing = bus.loop.create_task(one.close(SECONDS))
    bus.run_until(lambda: len(bus.messages(2)) == 10)
    bus.loop.run_until_complete(closing)


def test_a_peer_that_does_not_read_does_not_hold_up_the_end(bus: Buses) -> None:
    one, _ = bus.join(1), bus.join_slowly(2, lambda _, __: None)
    bus.loop.remove_reader(bus.buses[2]._peers[1].lane._descriptor)  # type: ignore[union-attr]
    send_all(one, 2, [["x" * 1_000_000] for _ in range(10)])
    bus.loop.run_until_complete(one.close(0.01))
    assert one.send(2, ["late"], SMALL) is False


def test_after_the_end_nothing_is_sent_and_nothing_fails(bus: Buses) -> None:
    one, two = bus.join(1), bus.join(2)
    send_all(two, 1, [["never read"]])
    two.flush()
    bus.loop.run_until_complete(one.close(0))
    assert one.send(2, ["late"], SMALL) is False
    one.flush()
    bus.loop.run_until_complete(_iterations(20))
    assert bus.batches == {1: [], 2: []}


async def _iterations(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0.001)


def test_a_batch_waits_for_the_foreign_writes_of_its_sender_and_those_behind_it_too(bus: Buses) -> None:
    sender, receiver = bus.join(1), bus.join(2)
    del receiver
    bus.fences[1].made = bus.fences[1].left = 2
    sender.send(2, ["first"], 10)
    sender.flush()
    bus.join(3).send(2, ["of another"], 10)
    bus.buses[3].flush()
    bus.run_until(lambda: bool(bus.batches[2]))
    sender.send(2, ["second"], 10)
    sender.flush()
    bus.buses[3].send(2, ["of another again"], 10)
    bus.buses[3].flush()
    bus.run_until(lambda: len(bus.messages(2)) == 2)
    assert bus.messages(2) == [["of another"], ["of another again"]]
    bus.run_until(lambda: bool(bus.buses[2]._peers[1].gate.held))
    bus.fences[2].reached(1, 2, 2)
    bus.run_until(lambda: len(bus.messages(2)) == 4)
    assert bus.messages(2)[2:] == [["first"], ["second"]]


def test_foreign_writes_leave_before_a_batch_that_leaves_in_the_middle_of_a_turn(bus: Buses) -> None:
    sender = bus.join(1)
    bus.join(2)
    fence, left = bus.fences[1], []
    fence.flush = lambda: left.append(fence.made)
    fence.made = 1
    for number in range(16):
        sender.send(2, [number], 10)
    assert left == [1]
