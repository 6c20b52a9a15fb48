"""Real asyncio Tasks that take their first step when the scheduler wants it.

A Task schedules its first step with `loop.call_soon` while it is being initialised. For that moment `call_soon` is
diverted: the Task is the standard one, and only its first step is called by another.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from contextvars import Context
from functools import partial
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


def check_callable(function: F) -> F:
    """Return the function. Raises TypeError for what cannot be called: here, not when it is due."""
    if not callable(function):
        raise TypeError(f"a function is needed, not {function!r}")
    return function


async def run_function(_function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call a function, and wait for its result if it is a coroutine function."""
    result = _function(*args, **kwargs)
    return await result if inspect.isawaitable(result) else result


def create_unstarted(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T], *, name: str | None = None, context: Context
) -> tuple[asyncio.Task[T], Callable[[], object]]:
    """Return a new Task and its first step, to be called once, later, while no task is running, outside of `context`.

    The step must be called in any case: a task that was cancelled before gets its CancelledError in it. SystemExit and
    KeyboardInterrupt come out of it. Raises TypeError if `coroutine` is not a coroutine.
    """
    task: asyncio.Task[T] = asyncio.Task.__new__(asyncio.Task)
    first_step = initialise_unstarted(task, loop, coroutine, name, context)
    return task, partial(context.run, first_step)


def initialise_unstarted(
    task: asyncio.Task[T],
    loop: asyncio.AbstractEventLoop,
    coroutine: Coroutine[Any, Any, T],
    name: str | None,
    context: Context,
) -> Callable[[], object]:
    """Initialise a Task made by `__new__`; return its first step, to be called inside of `context`.

    Raises TypeError if `coroutine` is not a coroutine.
    """
    first_step: Callable[[], object]
    regular_call_soon = loop.call_soon

    def call_soon(callback: Callable[..., object], *args: Any, context: Context | None = None) -> asyncio.Handle | None:
        # Not every call is the Task's: to initialise it can set off the garbage collector, which runs any finaliser.
        nonlocal first_step
        if getattr(callback, "__self__", None) is task:
            first_step = callback
            return None
        return regular_call_soon(callback, *args, context=context)

    loop.call_soon = call_soon  # type: ignore[assignment,method-assign]
    try:
        asyncio.Task.__init__(task, coroutine, loop=loop, name=name, context=context)
    finally:
        loop.call_soon = regular_call_soon  # type: ignore[method-assign]
    return first_step
