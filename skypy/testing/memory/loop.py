"""The event loop of a system in memory: several processes on one loop, a clock that jumps, an order by seed.

Whenever nothing can run, everything waits for the clock, and the clock jumps to the next moment at which something is
due. While a thread works, or a library watches a real descriptor, the next event cannot be known: then the loop waits
in real time as well.

The seed permutes only an order that is not promised: that of several processes that can go on, and that of several
descriptors that are ready. Handles that one process has scheduled run in the order in which they were scheduled.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import random
import socket
import threading
import time
import zlib
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

from skypy.testing.memory.process import VirtualProcess, process_of
from skypy.testing.memory.ready_queue import ReadyQueue
from skypy.testing.memory.selector import REAL_WAIT_SECONDS, MemorySelector

_BUSY: Final = 100
_TOO_BUSY: Final = 300_000
"""Iterations without a wait after which the loop is taken to go on for ever."""
_BUSY_SECONDS: Final = 0.001
"""The time on the test's clock that an iteration takes once code is busy: after `_BUSY` of them without a wait."""
_SKYPY: Final = f"{Path(__file__).parents[2]}/"


class Stuck(AssertionError):
    """Everything waits and nothing is left that could wake anything, or the test goes on without end."""


class MemoryLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop, with another clock, another selector and another queue."""

    def __init__(self, chance: random.Random, real_limit_seconds: float) -> None:
        """Make a loop. Its `run_to_end` gives up after `real_limit_seconds` on the real clock."""
        self._now = 0.0
        self._chance = chance
        selector = MemorySelector(chance)
        selector.everything_waits = self._everything_waits
        selector.may_wait_for_real = self._may_wait_for_real
        super().__init__(selector)
        self._memory_selector = selector
        self._ready = self._queue = ReadyQueue(chance)
        self._threads = 0
        self._busy = 0
        self._known_threads = set(threading.enumerate())
        self._idle: list[asyncio.Future[None]] = []
        self._real_seen = time.monotonic()
        self._real_limit_seconds = real_limit_seconds
        self._real_deadline = float("inf")
        self._main: asyncio.Task[Any] | None = None
        self._stuck_because = ""
        self.autojump = True
        """True if the clock jumps by itself when everything waits."""

    # -- running --

    def run_to_end(
        self, function: Callable[[], Coroutine[Any, Any, Any]], context: contextvars.Context | None = None
    ) -> Any:
        """Run a coroutine function and return its result.

        Raises Stuck when it cannot come to its end, after having cancelled it.
        """
        self._real_deadline = time.monotonic() + self._real_limit_seconds
        self._main = self.create_task(self._explained(function), context=context)
        try:
            return self.run_until_complete(self._main)
        finally:
            self._main = None
            self._stuck_because = ""

    async def _explained(self, function: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        try:
            return await function()
        except asyncio.CancelledError as error:
            if self._stuck_because:
                raise Stuck(self._stuck_because).with_traceback(error.__traceback__) from None
            raise

    def _give_up(self, why: str) -> None:
        """Cancel the coroutine that `run_to_end` runs. Raises Stuck if there is none, or it was cancelled before."""
        if self._main is None:
            raise Stuck(why)
        if self._stuck_because:
            raise Stuck(f"{self._stuck_because}; it goes on when it is cancelled")
        self._stuck_because = why + self._other_waiters(self._main)
        self._main.cancel()

    def _other_waiters(self, main: asyncio.Task[Any]) -> str:
        """Return lines that tell where the tasks of services wait."""
        lines = []
        for task in sorted(asyncio.all_tasks(self), key=lambda one: one.get_name()):
            stack = task.get_stack(limit=1)
            if task is not main and stack and not stack[0].f_code.co_filename.startswith(_SKYPY):
                frame = stack[0]
                lines.append(f"\n  {task.get_name()}: {frame.f_code.co_filename}:{frame.f_lineno}")
        return "".join(["\nother tasks that wait:", *lines]) if lines else ""

    # -- the clock --

    def time(self) -> float:
        """Return the seconds on the clock of the test."""
        return self._now

    @property
    def fingerprint(self) -> int:
        """A number that differs when two runs have gone different ways.

        It covers which process ran when, and how often the seed was asked.
        """
        return zlib.crc32(repr(self._chance.getstate()).encode(), self._queue.fingerprint)

    async def advance(self, seconds: float) -> None:
        """Let time pass; everything that is due meanwhile happens in its order."""
        until = self._now + seconds
        while True:
            await self.wait_idle()
            due = self._next_due()
            if due is None or due > until:
                break
            self._now = max(self._now, due)
            await asyncio.sleep(0)
        self._now = max(self._now, until)

    async def wait_idle(self) -> None:
        """Wait until nothing can run before the clock moves."""
        future = self.create_future()
        self._idle.append(future)
        await future

    def _next_due(self) -> float | None:
        due = [handle.when() for handle in self._scheduled if not handle.cancelled()]
        return min(due, default=None)

    def _everything_waits(self, seconds: float | None) -> None:
        self._busy = 0
        idle = [future for future in self._idle if not future.done()]
        self._idle.clear()
        if idle:
            for future in idle:
                future.set_result(None)
        elif seconds is None or not self.autojump:
            why = "" if seconds is None else f"; the clock does not jump by itself, the next is due in {seconds:g} s"
            self._give_up(f"everything waits, and nothing is left that could end a wait{why}")
        elif time.monotonic() > self._real_deadline:
            self._give_up("it goes on without end: timers run, and the end of the wait does not come")
        else:
            due = self._next_due()
            self._now = max(self._now, self._now + seconds if due is None else min(due, self._now + seconds))

    # -- the world outside of memory --

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Run a function in a thread, as asyncio does; the clock does not jump while the thread works."""
        future = super().run_in_executor(executor, func, *args)
        self._threads += 1
        future.add_done_callback(self._thread_done)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Wait for the threads of the executor, as asyncio does, in real time."""
        del timeout
        self._threads += 1
        try:
            await super().shutdown_default_executor()
        finally:
            self._threads -= 1

    def _thread_done(self, future: asyncio.Future[Any]) -> None:
        del future
        self._threads -= 1

    def _may_wait_for_real(self) -> bool:
        now, before = time.monotonic(), self._real_seen
        self._real_seen = now
        if now > self._real_deadline:
            return False
        if self._memory_selector.watches_real:
            self._now += min(now - before, 2 * REAL_WAIT_SECONDS)
            return True
        return self._threads > 0 or any(
            thread not in self._known_threads and not thread.name.startswith("asyncio_")
            for thread in threading.enumerate()
        )

    def _run_once(self) -> None:
        self._queue.begin_iteration()
        self._busy += not self._queue.fastest_is_alone  # a process that keeps others waiting is not busy by itself
        if self._busy > _BUSY:
            self._now += _BUSY_SECONDS
            if self._busy > _TOO_BUSY or time.monotonic() > self._real_deadline:
                self._busy = 0
                self._give_up("it goes on without end: something always runs, and the end of the wait does not come")
        try:
            super()._run_once()  # type: ignore[misc]
        except (SystemExit, KeyboardInterrupt) as error:
            if not _raised_by_a_task(error):
                raise  # the user's Ctrl-C; if a task has raised it, the task keeps it

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:
        """Resolve `localhost` and addresses in figures. Raises OSError for other names."""
        if host in ("localhost", b"localhost"):
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
        return socket.getaddrinfo(host, port, flags=socket.AI_NUMERICHOST, type=socket.SOCK_STREAM)

    # -- processes --

    def suspend(self, process: VirtualProcess) -> None:
        """Let nothing of a process run until it is resumed."""
        process.suspended = True
        self._queue.suspended.add(process)

    def resume(self, process: VirtualProcess) -> None:
        """Let a suspended process go on."""
        process.suspended = False
        self._queue.suspended.discard(process)

    def resume_all(self) -> None:
        """Let every suspended process go on."""
        for process in list(self._queue.suspended):
            self.resume(process)

    def process_died(self, process: VirtualProcess) -> None:
        """Run nothing of a process from now on: no step, no `finally`."""
        self._ready.drop(process)
        left = [one for one in self._scheduled if process_of(one._context) is not process]  # type: ignore[has-type]  # noqa: SLF001
        heapq.heapify(left)
        self._scheduled = left


def _raised_by_a_task(error: BaseException) -> bool:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_code.co_name != "_on_sigint"
