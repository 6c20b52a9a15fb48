"""Real asyncio Tasks whose first step is taken whenever the scheduler wants.

A Task schedules its first step with `loop.call_soon` while it is being built. So `call_soon` is diverted for the
moment: the Task is the standard one, and only who calls its first step is another.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Callable, Coroutine
from contextvars import Context
from functools import partial
from typing import Any, TypeVar

if sys.version_info >= (3, 12):
    from asyncio import current_task as current_task
else:  # the same look-up without asyncio.current_task, which is Python code there: every wake-up makes it
    from asyncio.tasks import _current_tasks  # type: ignore[attr-defined]

    current_task: Callable[[asyncio.AbstractEventLoop], asyncio.Task[Any] | None] = _current_tasks.get

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


def check_callable(function: F) -> F:
    """The function. Raises TypeError for what cannot be called: here, not when it is due."""
    if not callable(function):
        raise TypeError(f"a function is needed, not {function!r}")
    return function


async def run_function(_function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call a function, and wait for what it returns if it is a coroutine function."""
    result = _function(*args, **kwargs)
    return await result if inspect.isawaitable(result) else result


def create_unstarted(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T], *, name: str | None = None, context: Context
) -> tuple[asyncio.Task[T], Callable[[], object]]:
    """A new Task, and its first step, to be called once, later, while no task is running and outside of `context`.

    The step must be called in any case: a task that was cancelled before gets its CancelledError in it. SystemExit and
    KeyboardInterrupt come out of it.
    """
    task: asyncio.Task[T]

    def build() -> None:
        nonlocal task
        task = asyncio.Task(coroutine, loop=loop, name=name, context=context)

    first_step = capture_first_step(loop, coroutine, build)
    return task, partial(context.run, first_step)


def capture_first_step(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], build: Callable[[], object]
) -> Callable[[], object]:
    """What a Task of `coroutine` that `build` makes would have the loop call: its first step."""
    first_step: Callable[[], object]
    regular_call_soon = loop.call_soon

    def call_soon(callback: Callable[..., object], *args: Any, context: Context | None = None) -> asyncio.Handle | None:
        # Not every call is the Task's: building it can set off the garbage collector, and that can run any finaliser.
        nonlocal first_step
        task = getattr(callback, "__self__", None)
        if isinstance(task, asyncio.Task) and task.get_coro() is coroutine:
            first_step = callback
            return None
        return regular_call_soon(callback, *args, context=context)

    loop.call_soon = call_soon  # type: ignore[assignment,method-assign]
    try:
        build()
    finally:
        loop.call_soon = regular_call_soon  # type: ignore[method-assign]
    return first_step
