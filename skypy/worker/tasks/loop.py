"""The event loop of a worker's process."""

from __future__ import annotations

import asyncio
import selectors
import types
import warnings

from skypy.system.poller import spin
from skypy.worker.tasks.assumptions import check_interpreter
from skypy.worker.tasks.first_step import run_function


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
    if not isinstance(run_function, types.FunctionType):
        _ignore_throw_of_compiled_coroutines()
    if spin_microseconds:
        return asyncio.SelectorEventLoop(SpinningSelector(spin_microseconds / 1e6))
    return asyncio.new_event_loop()


def _ignore_throw_of_compiled_coroutines() -> None:
    """Ignore a warning about the machine code of skypy's own coroutines.

    mypyc hands an exception on to the awaited object by `throw(type, exception, traceback)`. From Python 3.12 on that
    signature is deprecated; where warnings are errors, a wait that is cancelled would get the warning instead of its
    CancelledError. The warning names the line of the service that waits, so that its text alone tells it from others.
    """
    text = r"the \(type, exc, tb\) signature of throw\(\) is deprecated"
    warnings.filterwarnings("ignore", text, DeprecationWarning)
