"""Endpoints of one node in one process, and a loop that drives them all."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from skypy.bus.bus import Bus
from skypy.lane.lane import Lane, lane_pair

SECONDS = 20.0
"""More than anything here takes: whoever waits that long has lost a wake-up."""


class Buses:
    """A node's bus: `join(number)` gives a bus, whose batches are kept in `batches[number]`.

    `introduced=False`: there are no lanes to the others yet; `introduce` makes one.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.buses: dict[int, Bus] = {}
        self.batches: dict[int, list[list[Any]]] = {}
        self.unmet: dict[int, list[int]] = {}
        self.posted = Counter[int]()
        self.broken = Counter[int]()
        self.failures: list[BaseException] = []
        loop.set_exception_handler(lambda _, context: self.failures.append(context["exception"]))

    def join(self, number: int, received: Callable[[list[Any]], None] | None = None, *, introduced: bool = True) -> Bus:
        """A bus that is through with a batch as soon as it has received it."""
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
        """A bus that says itself when it is through with a batch."""
        self.batches.setdefault(number, [])

        def posted() -> None:
            self.posted[number] += 1

        def broken() -> None:
            self.broken[number] += 1

        unmet = self.unmet.setdefault(number, [])
        one = self.buses[number] = Bus(self.loop, received, posted, unmet.append, broken)
        for other in self.buses if introduced else ():
            if other != number:
                self.introduce(number, other)
        return one

    def introduce(self, number: int, other: int) -> None:
        """Give both a lane to each other."""
        for (one, peer), end in zip(((number, other), (other, number)), lane_pair(), strict=True):
            self.buses[one].join(peer, Lane(end))

    def messages(self, number: int) -> list[Any]:
        """What has arrived."""
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
