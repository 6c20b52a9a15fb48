"""The end of actors: stop functions run, tasks are cancelled, sockets are closed, and waiting callers are told."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final

from skypy.worker.actors.actor import Actor, Life
from skypy.worker.actors.scheduler import function_name

_log: Final = logging.getLogger("skypy")

# -- the reasons of an end --
EXITED: Final = "it has called exit()"
FAILED_TO_START: Final = "it failed to start"
NODE_STOPS: Final = "its node stops"
WORKER_FAILS: Final = "its worker cannot go on"
KILLED: Final = "it was killed"

_CANCELLATION_SECONDS: Final = 0.5
"""The time in which a stop function that was cancelled has to end. It is less than the node's patience beyond
stop_timeout."""


class Endings:
    """The ends of a worker's actors."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        stop_timeout: float,
        free_names: Callable[[Actor], None],
        fail_requests: Callable[[Actor, str], None],
        close_listeners: Callable[[Actor], None],
        close_sockets: Callable[[Actor], None],
        ended: Callable[[Actor], None],
    ) -> None:
        """`stop_timeout` in seconds is for each stop function, and for all tasks together.

        The callbacks are called in this order: `free_names(actor)`, `fail_requests(actor, reason)` and
        `close_listeners(actor)` at the beginning of an end, `close_sockets(actor)` once the actor runs no code any
        more, `ended(actor)` finally.
        """
        self._loop = loop
        self._stop_timeout = stop_timeout
        self._free_names = free_names
        self._fail_requests = fail_requests
        self._close_listeners = close_listeners
        self._close_sockets = close_sockets
        self._ended = ended
        self._context = contextvars.copy_context()  # of no actor
        self.tasks: set[asyncio.Task[None]] = set()

    def begin(self, actor: Actor, reason: str) -> asyncio.Future[None]:
        """Begin to end an actor, unless that has begun already; the future is done when the actor has ended."""
        if actor.ended is None:
            actor.end_reason = reason
            actor.ended = self._loop.create_future()
            self._free_names(actor)
            self._fail_requests(actor, reason)
            task = self._loop.create_task(
                self._end(actor, actor.ended), name=f"end of {actor!r}", context=self._context.copy()
            )
            self.tasks.add(task)
            task.add_done_callback(self._end_done)
        return actor.ended

    def kill(self, actor: Actor) -> asyncio.Future[None]:
        """Begin to end an actor that another one kills."""
        return self.begin(actor, KILLED)

    async def end(self, actor: Actor, reason: str) -> None:
        """End an actor and wait until it has ended."""
        await asyncio.shield(self.begin(actor, reason))

    def _end_done(self, task: asyncio.Task[None]) -> None:
        """Let go of a task; its exception ends the worker, in which the actor would never end."""
        self.tasks.discard(task)
        if not task.cancelled():
            task.result()

    async def _end(self, actor: Actor, ended: asyncio.Future[None]) -> None:
        self._close_listeners(actor)
        if actor.life is Life.RUNNING:
            actor.life = Life.ENDING
            await self._run_stop_functions(actor)
        actor.life = Life.ENDING
        await self._cancel_tasks(actor)
        actor.end()  # so that the ends of its sockets, which come now, call none of its functions
        self._close_sockets(actor)
        self._ended(actor)
        ended.set_result(None)

    async def _run_stop_functions(self, actor: Actor) -> None:
        for function in actor.stop_functions:
            try:
                result = actor.context.copy().run(function)
                if isinstance(result, Coroutine):
                    await self._run_stop_task(actor, result, function_name(function))
                actor.end_if_forked()
            except BaseException as error:
                actor.failed(f"in {function_name(function)}", error, function)

    async def _run_stop_task(self, actor: Actor, coroutine: Coroutine[Any, Any, Any], name: str) -> None:
        """Run a stop function for at most its time. Raises its exception, and TimeoutError."""
        task = self._loop.create_task(coroutine, name=name, context=actor.context.copy())
        await asyncio.wait([task], timeout=self._stop_timeout)
        if task.done():
            task.result()
            return
        task.cancel()
        await asyncio.wait([task], timeout=_CANCELLATION_SECONDS)
        late = TimeoutError(f"it took longer than stop_timeout ({self._stop_timeout:g} s)")
        if not task.done():
            actor.tasks.discard(task)
            _log_left_behind(actor, task)
            raise late
        try:
            task.result()
        except asyncio.CancelledError as error:
            raise late from error
        raise late

    async def _cancel_tasks(self, actor: Actor) -> None:
        """Cancel all tasks of an actor, and those that they start while they end."""
        deadline = self._loop.time() + self._stop_timeout
        while actor.tasks and self._loop.time() < deadline:
            tasks: list[asyncio.Task[Any]] = list(actor.tasks)
            for task in tasks:
                task.cancel("the actor ends")
            await asyncio.wait(tasks, timeout=deadline - self._loop.time())
            await asyncio.sleep(0)  # their done callbacks take them out
        for task in actor.tasks:
            _log_left_behind(actor, task)


def _log_left_behind(actor: Actor, task: asyncio.Task[Any]) -> None:
    _log.warning(
        "task %s goes on after being cancelled; it is left behind",
        task.get_name(),
        extra={"address": actor.address},
    )
