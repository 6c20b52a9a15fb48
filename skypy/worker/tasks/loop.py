"""The event loop of a worker's process."""

from __future__ import annotations

import asyncio
import types
import warnings

from skypy.system.poller import SpinningSelector
from skypy.worker.tasks.assumptions import check_interpreter
from skypy.worker.tasks.first_step import run_function


def new_loop(spin_microseconds: int) -> asyncio.AbstractEventLoop:
    """Return a loop that spins for `spin_microseconds` before it sleeps; 0: asyncio's default loop.

    Raises UnsupportedInterpreter if a worker cannot run on this interpreter.
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
