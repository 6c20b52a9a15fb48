"""Messages inside one worker: they come in every order that breaks no promise, and in no other."""

import itertools
import random
from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from skypy.core.settings import Settings
from skypy.core.wire.bus import DEAD, REPLY
from skypy.testing import System
from skypy.testing.memory.message_order import SeededQueue
from skypy.worker.actors.actor import Actor, Request
from skypy.worker.messages.from_bus import FromBus
from skypy.worker.messages.handling import Handling
from skypy.worker.messages.replies import Replies

SERVICES = str(Path(__file__).parent / "services")
Route = tuple[int, int]
HANDLE: Any = Handling.handle
DELIVER: Any = Replies.deliver
RECEIVED: Any = FromBus.handle_message


class Receiver(Actor):
    """An actor of which only the address matters."""

    def __init__(self, address: int) -> None:
        self.address = address


def message(source: int, target: int, number: int) -> tuple[Any, Any]:
    return HANDLE, Request(Receiver(target), source, number, "note", (), {})


def orders(routes: list[Route], seeds: int) -> set[tuple[int, ...]]:
    """Put messages into a queue together, and return the orders in which they are taken out."""
    found = set()
    for seed in range(seeds):
        queue = SeededQueue(random.Random(seed))
        queue.extend(message(*route, number) for number, route in enumerate(routes))
        found.add(tuple(queue.popleft()[1].session for _ in routes))
    return found


def legal_orders(routes: list[Route]) -> set[tuple[int, ...]]:
    numbers = range(len(routes))
    return {
        order
        for order in itertools.permutations(numbers)
        if all(order.index(a) < order.index(b) for a, b in itertools.combinations(numbers, 2) if routes[a] == routes[b])
    }


def test_every_legal_order_comes_and_no_other() -> None:
    routes = [(1, 7), (1, 7), (2, 7), (1, 8)]
    assert orders(routes, 2000) == legal_orders(routes)


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(7, 9))), st.integers(0, 1000))
def test_messages_of_one_actor_to_another_keep_their_order(routes: list[Route], seed: int) -> None:
    chance = random.Random(seed)
    queue = SeededQueue(random.Random(seed))
    heard: list[tuple[Route, int]] = []
    for number, route in enumerate(routes):
        queue.append(message(*route, number))
        while queue and chance.random() < 0.5:
            _, request = queue.popleft()
            heard.append(((request.source, request.actor.address), request.session))
    while queue:
        _, request = queue.popleft()
        heard.append(((request.source, request.actor.address), request.session))
    assert sorted(number for _, number in heard) == list(range(len(routes)))
    for route in set(routes):
        numbers = [number for one, number in heard if one == route]
        assert numbers == sorted(numbers)


def test_a_reply_does_not_overtake_what_its_sender_has_sent() -> None:
    for seed in range(200):
        queue = SeededQueue(random.Random(seed))
        queue.append(message(1, 7, 0))
        queue.append((DELIVER, (Request(Receiver(1), 7, 5, "ask", (), {}), "a reply to 7")))
        queue.append(message(1, 7, 1))
        queue.append((RECEIVED, (REPLY, 7, 1, 6, b"")))
        queue.append((RECEIVED, (DEAD, 7, 1, 8, "it was killed")))
        assert [queue.popleft()[0] for _ in range(5)] == [HANDLE, DELIVER, HANDLE, RECEIVED, RECEIVED]


def test_the_end_of_a_batch_comes_after_all_of_it() -> None:
    for seed in range(200):
        queue = SeededQueue(random.Random(seed))
        queue.extend((message(1, 7, 1), message(2, 7, 2), (print, "handled"), message(3, 7, 3)))
        assert {queue.popleft()[1].session, queue.popleft()[1].session} == {1, 2}
        assert queue.popleft()[0] is print


def play_race(seed: int) -> tuple[list[str], int]:
    """Let two actors of one worker use the book of a third, and return its pages and the fingerprint of the loop.

    One opens the book, the other writes.
    """
    system = System(Settings("book.toml", "", 1, (SERVICES,)), seed)
    system.begin()
    pages: list[str] = []

    async def race() -> None:
        book, opener, writer = [await system.newservice("book", worker=1) for _ in range(3)]
        system.send(opener, "relay", book, "open")
        system.send(writer, "relay", book, "write")
        await system.wait_idle()
        pages.extend(await system.call(book, "read"))

    system.run_test(race)
    assert system.end() == []
    return pages, system.loop.fingerprint


def test_a_race_planted_between_two_actors_of_one_worker_is_found_and_repeats() -> None:
    outcomes = {seed: play_race(seed) for seed in range(30)}
    assert Counter(pages[0] for pages, _ in outcomes.values()).keys() == {"written", "lost"}
    for seed in random.Random(1).sample(range(30), 5):
        assert play_race(seed) == outcomes[seed]
