"""A fork in a worker: the child is no worker, and gives up all that makes it one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from threading import get_ident
from typing import Any, NoReturn

from skypy.system.forks.child import watch_thread
from skypy.worker.actors.forked_child import end_forked_child, end_forked_child_that_waits
from skypy.worker.tasks.abandoned_loop import abandon_loop
from skypy.worker.tasks.current_task import current_task
from skypy.worker.tasks.eager import outcome_of
from skypy.worker.worker import Worker


class Forking:
    """The functions that a worker's process calls around a fork, in whichever thread that happens."""

    def __init__(self, worker: Worker, abandon_bus: Callable[[], None]) -> None:
        self._worker = worker
        self._abandon_bus = abandon_bus
        self._thread_id = get_ident()
        self._in_child = False
        self._task: asyncio.Task[Any] | None = None
        """The worker's task that forks; None in another thread, and for code that is no task."""

    def before(self) -> None:
        """Note the task that is about to fork: afterwards asyncio does not know it any more."""
        if not self._in_child:
            in_worker_thread = get_ident() == self._thread_id
            self._task = current_task(self._worker.loop) if in_worker_thread else None

    def in_child(self) -> None:
        """Give up everything that is the worker's, and see to the end of the child."""
        self._in_child = True
        self._worker.abandon(self._end)
        self._abandon_bus()
        abandon_loop(self._worker.loop, self._end_with)
        if get_ident() != self._thread_id:
            watch_thread(end_forked_child)

    def _end(self) -> NoReturn:
        self._end_with(None)

    def _end_with(self, error: BaseException | None) -> NoReturn:
        """End the child, whose code has come back: with the outcome of the task that has forked, or with `error`."""
        if error is None and self._task is not None:
            outcome = outcome_of(self._task)
            if outcome is None:
                end_forked_child_that_waits()
            error = outcome[1]
        end_forked_child(error)
