"""Async tests and fixtures run in the system or beside the node, and what they raise is told from their view."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine
from pathlib import Path
from typing import Any, Final

import pytest

from skypy.core.errors import RemoteError, SkypyError
from skypy.testing.memory.loop import Stuck
from skypy.testing.memory.system import System
from skypy.testing.processes.node import Node

_NOT_THE_USERS: Final = (str(Path(__file__).parents[1]), asyncio.__path__[0])
Place = System | Node


def run_test_in(place: Place, function: Callable[[], Coroutine[Any, Any, Any]]) -> list[str]:
    """Run a test and then what its fixtures do afterwards; what is wrong with what is left."""
    try:
        place.run_test(function)
    except Exception as error:
        _tell_from_the_test(error)
        raise
    finally:
        while place.closers:
            place.run_test(place.closers.pop())
    return place.end()


def run_fixture_in(place: Place, fixture: pytest.FixtureDef[Any]) -> None:
    """Make an ordinary fixture of an async one."""
    function: Any = fixture.func
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        def set_up(**arguments: Any) -> Any:
            return place.run_test(functools.partial(function, **arguments))

    elif inspect.isasyncgenfunction(function):

        @functools.wraps(function)
        def set_up(**arguments: Any) -> Any:
            generator: AsyncGenerator[Any, None] = function(**arguments)
            value = place.run_test(functools.partial(anext, generator))
            place.closers.append(functools.partial(anext, generator, None))
            return value

    else:
        return
    fixture.func = set_up  # type: ignore[misc]


def _tell_from_the_test(error: Exception) -> None:
    """Add where a service has raised, and leave out how skypy has brought it here."""
    if isinstance(error, RemoteError) and error.traceback:
        error.add_note(f"in the service:\n{error.traceback}")
    if isinstance(error, SkypyError | OSError | Stuck):
        last, trace = None, error.__traceback__
        while trace is not None:
            if not trace.tb_frame.f_code.co_filename.startswith(_NOT_THE_USERS):
                last = trace
            trace = trace.tb_next
        if last is not None:
            last.tb_next = None
