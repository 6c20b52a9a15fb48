"""The bus between workers: one batch per peer and turn, in order, and no wake-up lost."""

import asyncio
import itertools
import random
from collections import Counter
from functools import partial
from typing import Any

import pytest

from skypy.bus.endpoint import Endpoint
from tests.bus.conftest import SECONDS, Bus

SMALL = 100


def post_all(endpoint: Endpoint, number: int, messages: list[Any]) -> None:
    for message in messages:
        assert endpoint.post(number, message, SMALL) is True


def test_what_is_posted_before_a_flush_arrives_as_one_batch_in_order(bus: Bus) -> None:
    one, _ = bus.join(1), bus.join(2)
    post_all(one, 2, [[1, "a"], [2, b"b"], [3, None]])
    one.flush()
    post_all(one, 2, [[4]])
    one.flush()
    bus.run_until(lambda: len(bus.batches[2]) == 2)
    assert bus.batches[2] == [[[1, "a"], [2, b"b"], [3, None]], [[4]]]


def test_nothing_leaves_before_a_flush_and_an_empty_flush_sends_nothing(bus: Bus) -> None:
    one, _ = bus.join(1), bus.join(2)
    post_all(one, 2, [["held back"]])
    bus.loop.run_until_complete(_iterations(20))
    assert bus.batches[2] == []
    for _ in range(3):
        one.flush()
    post_all(one, 2, [["last"]])
    one.flush()
    bus.run_until(lambda: len(bus.messages(2)) == 2)
    assert bus.batches[2] == [[["held back"]], [["last"]]]


def test_whoever_is_met_is_told_of_once(bus: Bus) -> None:
    one, two = bus.join(1), bus.join(2)
    for _ in range(2):
        post_all(one, 2, [["hello"]])
        one.flush()
    bus.run_until(lambda: len(bus.messages(2)) == 2)
    post_all(two, 1, [["hello"]])
    assert bus.met == {1: [2], 2: [1]}


def test_a_turn_is_asked_for_once_in_a_batch(bus: Bus) -> None:
    one, _ = bus.join(1), bus.join(2)
    for posted in (1, 2):
        post_all(one, 2, [["first"], ["second"]])
        assert bus.posted[1] == posted
        one.flush()


def test_every_pair_of_endpoints_keeps_its_own_order(bus: Bus) -> None:
    numbers = (1, 2, 3, 4)
    endpoints = {number: bus.join(number) for number in numbers}
    chance = random.Random(1)
    sent = Counter[tuple[int, int]]()
    for _ in range(4000):
        source, target = chance.sample(numbers, 2)
        post_all(endpoints[source], target, [[source, sent[source, target]]])
        sent[source, target] += 1
        if chance.random() < 0.1:
            endpoints[source].flush()
    for endpoint in endpoints.values():
        endpoint.flush()
    bus.run_until(lambda: sum(len(bus.messages(number)) for number in numbers) == 4000)
    for target in numbers:
        for source in numbers:
            counts = [count for who, count in bus.messages(target) if who == source]
            assert counts == list(range(sent[source, target]))


# -- wake-ups ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outstanding", [1, 2, 50])
def test_no_wake_up_is_lost_under_crossing_traffic(bus: Bus, outstanding: int) -> None:
    """Both sides send whenever they receive, so a notice is always pending while somebody sends or looks."""
    rounds = 3000
    answered = Counter[int]()
    endpoints: dict[int, Endpoint] = {}

    def received(number: int, peer: int, messages: list[Any]) -> None:
        endpoint = endpoints[number]
        for kind, value in messages:
            if kind == "ping":
                endpoint.post(peer, ["pong", value], SMALL)
            else:
                answered[number] += 1
                if value + outstanding < rounds:
                    endpoint.post(peer, ["ping", value + outstanding], SMALL)
        endpoint.flush()

    for number, peer in ((1, 2), (2, 1)):
        endpoints[number] = bus.join(number, partial(received, number, peer))
    for number, peer in ((1, 2), (2, 1)):
        post_all(endpoints[number], peer, [["ping", value] for value in range(outstanding)])
        endpoints[number].flush()
    bus.run_until(lambda: answered[1] == answered[2] == rounds)


def test_more_frames_than_one_pump_reads_all_arrive_and_let_others_run(bus: Bus) -> None:
    one, _ = bus.join(1), bus.join(2)
    arrived_at_tick: list[int] = []

    def tick() -> None:
        arrived_at_tick.append(len(bus.messages(2)))
        if arrived_at_tick[-1] < 1000:
            bus.loop.call_soon(tick)

    for number in range(1000):
        post_all(one, 2, [[number]])
        one.flush()
    bus.loop.call_soon(tick)
    bus.run_until(lambda: len(bus.messages(2)) == 1000)
    assert bus.messages(2) == [[number] for number in range(1000)]
    steps = [after - before for before, after in itertools.pairwise(arrived_at_tick)]
    assert max(steps) <= 128  # nobody waited for all of them


def test_what_comes_behind_a_batch_that_fails_is_read(bus: Bus) -> None:
    arrived: list[Any] = []

    def received(messages: list[Any]) -> None:
        arrived.extend(messages)
        if messages == [["bad"]]:
            raise KeyError("the handler is broken")

    one, _ = bus.join(1), bus.join(2, received)
    for text in ("good", "bad", "better", "bad", "best"):
        post_all(one, 2, [[text]])
        one.flush()
    bus.run_until(lambda: len(arrived) == 5)
    assert [repr(failure) for failure in bus.failures] == ["KeyError('the handler is broken')"] * 2
    bus.failures.clear()


def test_a_message_to_oneself_would_arrive_as_well(bus: Bus) -> None:
    one = bus.join(1)
    post_all(one, 1, [["hello"]])
    one.flush()
    bus.run_until(lambda: bus.messages(1) == [["hello"]])


# -- the end -----------------------------------------------------------------------------------------------------------


def test_what_was_flushed_before_the_end_arrives(bus: Bus) -> None:
    one, _ = bus.join(1), bus.join(2)
    post_all(one, 2, [["x" * 1_000_000, number] for number in range(10)])
    one.flush()
    one.close(int(SECONDS * 1000))
    bus.run_until(lambda: len(bus.messages(2)) == 10)


def test_after_the_end_nothing_is_sent_and_nothing_fails(bus: Bus) -> None:
    one, two = bus.join(1), bus.join(2)
    post_all(two, 1, [["never read"]])
    two.flush()
    one.close(0)
    assert one.post(2, ["late"], SMALL) is False
    one.flush()
    one.pump()
    bus.loop.run_until_complete(_iterations(20))
    assert bus.batches == {1: [], 2: []}


async def _iterations(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0.001)
