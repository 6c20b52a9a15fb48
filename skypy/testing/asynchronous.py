"""Async tests and fixtures run in the system or beside the node, and their errors are shown from their view."""

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
from skypy.testing.node_under_test import NodeUnderTest

_NOT_THE_USERS: Final = (f"{Path(__file__).parents[1]}/", f"{asyncio.__path__[0]}/")


def run_test_in(node: NodeUnderTest, function: Callable[[], Coroutine[Any, Any, Any]]) -> list[str]:
    """Run a test and then the rest of its fixtures, end the node, and return the complaints of its end."""
    try:
        node.run_test(function)
    except Exception as error:
        _show_from_the_test(error)
        raise
    finally:
        while node.closers:
            node.run_test(node.closers.pop())
    return node.end()


def run_fixture_in(node: NodeUnderTest, fixture: pytest.FixtureDef[Any]) -> None:
    """Make an ordinary fixture of an async one; leave any other as it is."""
    function: Any = fixture.func
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        def set_up(**arguments: Any) -> Any:
            return node.run_test(functools.partial(function, **arguments))

    elif inspect.isasyncgenfunction(function):

        @functools.wraps(function)
        def set_up(**arguments: Any) -> Any:
            generator: AsyncGenerator[Any, None] = function(**arguments)
            value = node.run_test(functools.partial(anext, generator))
            node.closers.append(functools.partial(anext, generator, None))
            return value

    else:
        return
    fixture.func = set_up  # type: ignore[misc]


def _show_from_the_test(error: Exception) -> None:
    """Add the traceback of the service that has raised, and cut the frames of skypy below the test."""
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
