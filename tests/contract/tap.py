"""The service `tap` from outside, and clients of it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec

from skypy.core.address import Address
from skypy.testing import Client, Node, System

Place = System | Node
KIBIBYTES_64 = 65536
MORE_THAN_FITS = 100
"""A count of writes of 64 KiB that both kernels together cannot hold unread.

They hold 4 MiB on the one side, as far as Linux lets a buffer grow, and 128 KiB on the other.
"""


class Tap:
    """A service that runs verbs of sockets for a test."""

    def __init__(self, place: Place, address: Address) -> None:
        self.place = place
        self.address = address
        self.port = 0

    async def do(self, verb: str, *args: Any) -> Any:
        """Run a verb of sockets, and return its value, or [name of the error, errno]."""
        return await self.place.call(self.address, "do", verb, *args)

    async def client(self, start: bool = True, *, half_close: bool = True) -> tuple[Client, Held]:
        """Return a new client, and the tap's socket of it."""
        self.port = self.port or await self.do("serve", start, half_close)
        client = await self.place.connect(self.port)
        return client, Held(self, await self.do("client"))

    async def open(self, port: int) -> Held:
        """Let the tap connect to a port, and return its socket."""
        return Held(self, await self.do("open", port))


class Held:
    """A socket of a tap."""

    def __init__(self, tap: Tap, fd: int) -> None:
        self.tap = tap
        self.fd = fd

    async def do(self, verb: str, *args: Any) -> Any:
        """Run a verb on it, and return its value, or [name of the error, errno]."""
        return await self.tap.do(verb, self.fd, *args)


async def start(place: Place, worker: int | None = None) -> Tap:
    """Start a tap, which ends with its case."""
    tap = Tap(place, await place.newservice("tap", worker=worker))
    _started.append(tap)
    return tap


_started: list[Tap] = []
P = ParamSpec("P")


def case(function: Callable[Concatenate[Place, P], Coroutine[Any, Any, None]]) -> Callable[..., Any]:
    """Make a test of a case: its taps end with it, and close their sockets."""

    @functools.wraps(function)
    async def play(tapped: Place, *args: P.args, **kwargs: P.kwargs) -> None:
        _started.clear()
        await function(tapped, *args, **kwargs)
        for tap in reversed(_started):  # connecting taps before those they have connected to
            await tapped.kill(tap.address)

    return play
