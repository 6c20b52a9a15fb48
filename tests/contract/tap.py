"""The service `tap` from outside, and clients of it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from typing import Any

from skypy.core.address import Address
from skypy.testing import Client, Node, System

Place = System | Node
KIBIBYTES_64 = 65536
MORE_THAN_FITS = 100
"""So many writes of 64 KiB are more than both kernels hold of what nobody reads.

That is 4 MiB on the one side, as far as Linux lets a buffer grow, and 128 KiB on the other.
"""


class Tap:
    """A service that does with sockets what it is told to."""

    def __init__(self, place: Place, address: Address) -> None:
        self.place = place
        self.address = address
        self.port = 0

    async def do(self, verb: str, *args: Any) -> Any:
        """What a verb of sockets gives, or [name of the error, errno]."""
        return await self.place.call(self.address, "do", verb, *args)

    async def client(self, start: bool = True) -> tuple[Client, Held]:
        """A new client, and what the tap holds of it."""
        self.port = self.port or await self.do("serve", start)
        client = await self.place.connect(self.port)
        return client, Held(self, await self.do("client"))

    async def open(self, port: int) -> Held:
        """A connection that the tap has made."""
        return Held(self, await self.do("open", port))


class Held:
    """A socket of a tap."""

    def __init__(self, tap: Tap, fd: int) -> None:
        self.tap = tap
        self.fd = fd

    async def do(self, verb: str, *args: Any) -> Any:
        """What a verb gives, or [name of the error, errno]."""
        return await self.tap.do(verb, self.fd, *args)


async def start(place: Place, worker: int | None = None) -> Tap:
    """A new one."""
    tap = Tap(place, await place.newservice("tap", worker=worker))
    _started.append(tap)
    return tap


_started: list[Tap] = []
Case = Callable[[Place], Coroutine[Any, Any, None]]


def case(function: Case) -> Case:
    """A test whose taps end with it, and close what they have."""

    @functools.wraps(function)
    async def play(tapped: Place) -> None:
        _started.clear()
        await function(tapped)
        for tap in reversed(_started):  # who has connected before whom it has connected to
            await tapped.kill(tap.address)

    return play
