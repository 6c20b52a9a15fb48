"""The buses of one node in one process, and a loop that drives them all."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from skypy.bus.bus import Bus
from skypy.core.causal.fence import Fence
from skypy.lane.lane import Lane, lane_pair

SECONDS = 20.0
"""More than anything here takes: a test that waits that long has lost a wake-up."""


class Buses:
    """The buses of a node: `join(number)` makes one, and keeps its batches in `batches[number]`.

    `introduced=False`: there are no lanes to the others yet; `introduce` makes one.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.buses: dict[int, Bus] = {}
        self.fences: dict[int, Fence] = {}
        self.batches: dict[int, list[list[Any]]] = {}
        self.unmet: dict[int, list[int]] = {}
        self.flushes_wanted = Counter[int]()
        self.broken = Counter[tuple[int, int]]()
        """The complaints of a bus about a peer, by the numbers of both."""
        self.failures: list[BaseException] = []
        loop.set_exception_handler(lambda _, context: self.failures.append(context["exception"]))

    def join(self, number: int, received: Callable[[list[Any]], None] | None = None, *, introduced: bool = True) -> Bus:
        """Make a bus that has handled each batch as soon as it arrives."""
        take = received or self.batches.setdefault(number, []).append

        def receive(messages: list[Any], handled: Callable[[], None]) -> None:
            take(messages)
            handled()

        return self.join_slowly(number, receive, introduced=introduced)

    def join_slowly(
        self,
        number: int,
        received: Callable[[list[Any], Callable[[], None]], None],
        *,
        introduced: bool = True,
    ) -> Bus:
        """Make a bus whose test says when a batch has been handled."""
        self.batches.setdefault(number, [])

        def wants_flush() -> None:
            self.flushes_wanted[number] += 1

        def broken(peer: int) -> None:
            self.broken[number, peer] += 1

        unmet = self.unmet.setdefault(number, [])
        one = self.buses[number] = Bus(
            self.loop,
            received,
            received,
            wants_flush,
            unmet.append,
            broken,
            self.fences.setdefault(number, Fence(number)),
        )
        for other in self.buses if introduced else ():
            if other != number:
                self.introduce(number, other)
        return one

    def introduce(self, number: int, other: int) -> None:
        """Make a lane between two buses."""
        for (one, peer), end in zip(((number, other), (other, number)), lane_pair(), strict=True):
            self.buses[one].join(peer, Lane(end))

    def messages(self, number: int) -> list[Any]:
        """Return the messages that have arrived at a bus."""
        return [message for batch in self.batches[number] for message in batch]

    def run_until(self, condition: Callable[[], bool]) -> None:
        """Run the loop until a condition holds. Nothing but the buses' own wake-ups may bring that about."""
        held = asyncio.Event()

        def look() -> None:
            if condition():
                held.set()
            else:
                self.loop.call_later(0.002, look)

        async def wait() -> None:
            look()
            async with asyncio.timeout(SECONDS):
                await held.wait()

        self.loop.run_until_complete(wait())

    def close(self) -> None:
        for one in self.buses.values():
            self.loop.run_until_complete(one.close(0))


@pytest.fixture
def bus() -> Iterator[Buses]:
    loop = asyncio.new_event_loop()
    bus = Buses(loop)
    yield bus
    bus.close()
    loop.close()
    assert bus.failures == []
