"""The event loop of a worker's process."""

from __future__ import annotations

import asyncio
import types
import warnings

from skypy.core.timing.spinning import SpinSetting
from skypy.system.poller import new_selector
from skypy.worker.tasks.assumptions import check_interpreter
from skypy.worker.tasks.first_step import run_function


def new_loop(spin: SpinSetting) -> asyncio.AbstractEventLoop:
    """Return a loop of asyncio that spins before it sleeps, as the config asks.

    Raises UnsupportedInterpreter if a worker cannot run on this interpreter.
    """
    check_interpreter()
    if not isinstance(run_function, types.FunctionType):
        _ignore_throw_of_compiled_coroutines()
    return asyncio.SelectorEventLoop(new_selector(spin))


def _ignore_throw_of_compiled_coroutines() -> None:
    """Ignore a warning about the machine code of skypy's own coroutines.

    mypyc hands an exception on to the awaited object by `throw(type, exception, traceback)`. From Python 3.12 on that
    signature is deprecated; where warnings are errors, a wait that is cancelled would get the warning instead of its
    CancelledError. The warning names the line of the service that waits, so that its text alone tells it from others.
    """
    text = r"the \(type, exc, tb\) signature of throw\(\) is deprecated"
    warnings.filterwarnings("ignore", text, DeprecationWarning)
