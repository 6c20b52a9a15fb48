"""The event loop of a worker's process."""

from __future__ import annotations

import asyncio

from skypy.system.poller import SpinningSelector


def new_loop(spin_microseconds: int) -> asyncio.AbstractEventLoop:
    """Return a loop that spins for `spin_microseconds` before it sleeps; 0: asyncio's default loop."""
    if spin_microseconds:
        return asyncio.SelectorEventLoop(SpinningSelector(spin_microseconds / 1e6))
    return asyncio.new_event_loop()
