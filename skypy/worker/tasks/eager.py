"""Start a coroutine as a task that takes its first step at once, and learn cheaply what has come of it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from contextvars import Context
from typing import Any, TypeVar

from skypy.worker.tasks.first_step import current_task

T = TypeVar("T")

if sys.version_info < (3, 12):
    from skypy.worker.tasks.latent_task import LatentTask, first_outcome
    from skypy.worker.tasks.latent_task import start_eagerly as start_eagerly
else:
    LatentTask, first_outcome = type(None), None  # no task is one

    def start_eagerly(
        loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T], *, name: str | None = None, context: Context
    ) -> asyncio.Task[T]:
        """See `latent_task.start_eagerly`."""
        return asyncio.Task(coroutine, loop=loop, name=name, context=context, eager_start=True)


def outcome_of(task: asyncio.Task[T]) -> tuple[T | None, BaseException | None] | None:
    """Result and exception of a task that has been started eagerly; None as long as it goes on."""
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
    """How often somebody has wanted the current task to end.

    More than before tells it from what a service has raised; more than none does not: a TaskGroup whose child has
    failed may leave one behind, up to Python 3.12.
    """
    task = current_task(loop)
    if task is None or type(task) is LatentTask:
        return 0
    return task.cancelling()
