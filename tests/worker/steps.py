"""Tasks and the loop, one step at a time."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from skypy.worker.tasks.eager import start_eagerly

T = TypeVar("T")


def run_callback(loop: asyncio.AbstractEventLoop, callback: Callable[[], T]) -> T:
    """Run a plain callback on the loop, outside of any task, and return its result."""
    returned: asyncio.Future[T] = loop.create_future()

    def call() -> None:
        try:
            returned.set_result(callback())
        except BaseException as error:
            returned.set_exception(error)

    loop.call_soon(call)
    return loop.run_until_complete(returned)


def run_iterations(loop: asyncio.AbstractEventLoop, count: int = 3) -> None:
    for _ in range(count):
        run_callback(loop, lambda: None)


def start(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """A task that has come to its first await."""
    return run_callback(loop, lambda: start_eagerly(loop, coroutine, context=contextvars.copy_context()))


class Failure(Exception):
    """Unlike the built-in exceptions it can be weakly referenced."""
