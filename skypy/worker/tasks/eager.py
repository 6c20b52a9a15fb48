"""Start a coroutine as a task that takes its first step at once, and learn its outcome cheaply."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from contextvars import Context
from typing import Any, Final, TypeVar

from skypy.worker.tasks.current_task import current_task

T = TypeVar("T")

if sys.version_info < (3, 12):
    from skypy.worker.tasks.latent_task import LatentTask, first_outcome
    from skypy.worker.tasks.latent_task import start_eagerly as start_eagerly
else:
    LatentTask: Any = type(None)  # no task is one
    first_outcome: Any = None
    _new: Final = asyncio.Task.__new__
    _initialise: Final = asyncio.Task.__init__

    def start_eagerly(
        loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T], *, name: str | None = None, context: Context
    ) -> asyncio.Task[T]:
        """Start a task; see `latent_task.start_eagerly`."""
        # The first step is taken by the initialiser, so SystemExit and KeyboardInterrupt leave that. An object that is
        # made by a call of its class is freed by then, and complains that its exception was never retrieved.
        task: asyncio.Task[T] = _new(asyncio.Task)
        try:
            _initialise(task, coroutine, loop=loop, name=name, context=context, eager_start=True)
        except (SystemExit, KeyboardInterrupt):
            task.exception()
            raise
        return task


def outcome_of(task: asyncio.Task[T]) -> tuple[T | None, BaseException | None] | None:
    """Return result and exception of a task that has been started eagerly; None as long as it goes on."""
    if type(task) is LatentTask:
        outcome: tuple[T | None, BaseException | None] = first_outcome(task)
        return outcome
    if not task.done():
        return None
    if task.cancelled():
        return None, asyncio.CancelledError()
    error = task.exception()
    return (task.result(), None) if error is None else (None, error)


def cancellations(loop: asyncio.AbstractEventLoop) -> int:
    """Return how often the end of the current task has been asked for.

    More than before tells a cancellation from a CancelledError that a service has raised; none more does not tell the
    opposite: a TaskGroup whose child has failed may leave one behind, up to Python 3.12.
    """
    task = current_task(loop)
    if task is None or type(task) is LatentTask:
        return 0
    return task.cancelling()
