"""The event loop of a worker's process."""

from __future__ import annotations

import asyncio
import selectors

from skypy.system.poller import spin
from skypy.worker.tasks.assumptions import check_interpreter


class SpinningSelector(selectors.EpollSelector):
    """A selector that spins before it sleeps."""

    def __init__(self, spin_seconds: float) -> None:
        super().__init__()
        self._spin_seconds = spin_seconds

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return the ready files, after at most `timeout` seconds (None: however long it takes)."""
        if timeout is None or timeout > self._spin_seconds:
            ready = spin(super().select, self._spin_seconds)
            if ready:
                return ready
        return super().select(timeout)


def new_loop(spin_microseconds: int) -> asyncio.AbstractEventLoop:
    """Return a loop that spins for `spin_microseconds` before it sleeps.

    Raises UnsupportedInterpreter if the interpreter is none that a worker can run on.
    """
    check_interpreter()
    if spin_microseconds:
        return asyncio.SelectorEventLoop(SpinningSelector(spin_microseconds / 1e6))
    return asyncio.new_event_loop()
