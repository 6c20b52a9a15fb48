"""Futures for one task, which is resumed at once and not by the next iteration of the loop.

An `asyncio.Task` waits on anything that speaks the protocol behind `asyncio.isfuture`: it reads `get_loop` and
`_asyncio_future_blocking`, registers its wake-up with `add_done_callback`, and asks for the `result` when it is woken.
An `asyncio.Future` calls the wake-up by way of the loop. A Waiter calls it directly, unless a task is running in this
thread: asyncio enters one task at a time, so then it goes by way of the loop as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextvars import Context
from typing import Any, Generic, TypeVar

from skypy.worker.tasks.current_task import current_task

T = TypeVar("T")


def resume(future: asyncio.Future[T], value: T) -> None:
    """Set the result of an asyncio.Future whose one task goes on at once: it has run to its next await afterwards.

    A Future that more than one task waits for, or that is resumed by a running task, goes by way of the loop. A Task
    takes its wait on a Future in C, so this is the quicker sort of wait; a Waiter is the one that may be abandoned
    with an exception in it. The waiting coroutine should drop its reference to the Future when it goes on, or an
    exception and its traceback hold each other.
    """
    directly = _take_only_callback(future)
    future.set_result(value)
    if directly is not None:
        callback, context = directly
        context.run(callback, future)


def resume_with(future: asyncio.Future[Any], exception: BaseException) -> None:
    """Set an exception of an asyncio.Future; in everything else like `resume`."""
    directly = _take_only_callback(future)
    future.set_exception(exception)
    if directly is not None:
        callback, context = directly
        context.run(callback, future)


def _take_only_callback(future: Any) -> tuple[Callable[..., object], Context] | None:
    """Take out the wake-up of the one task that waits, with its context; None when the loop has to call it."""
    waiting: list[tuple[Callable[..., object], Context]] | None = future._callbacks  # noqa: SLF001
    if not waiting or len(waiting) > 1 or current_task(future.get_loop()) is not None:
        return None
    directly = waiting[0]
    future.remove_done_callback(directly[0])
    return directly


class Resumption(Generic[T]):
    """An asyncio.Future as the scheduler wakes it: by `resume`."""

    __slots__ = ("_future",)

    def __init__(self, future: asyncio.Future[T]) -> None:
        self._future = future

    def done(self) -> bool:
        """Return True if the task has been resumed, or its wait was cancelled."""
        return self._future.done()

    def set_result(self, value: T, /) -> None:
        """Resume the task."""
        resume(self._future, value)


class Waiter(Generic[T]):
    """One wait of one task; skypy's own waits are coroutine functions around one.

    A Waiter is never handed out bare, because `gather` and `wait_for` want several callbacks, and is not thread-safe.

    A wake-up is a hint, not a delivery: a task that is cancelled after the wake-up and before the step it causes does
    not see the value. So a wait checks its condition again whenever it goes on, and the thing waited for (bytes in a
    buffer) stays where it is until the task takes it. A Waiter usually carries None.
    """

    __slots__ = ("_asyncio_future_blocking", "_callback", "_context", "_done", "_exception", "_loop", "_value")

    _context: Context
    _value: T

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._asyncio_future_blocking = False
        self._callback: Callable[[Waiter[T]], object] | None = None
        self._done = False
        self._exception: BaseException | type[BaseException] | None = asyncio.InvalidStateError

    def __await__(self) -> Generator[Any, None, T]:
        while not self._done:
            if self._callback is not None:
                raise RuntimeError("another task is waiting on this already")
            self._asyncio_future_blocking = True
            yield self
        return self.result()

    def __repr__(self) -> str:
        return f"<Waiter {'done' if self._done else 'pending'}>"

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the loop of the waiting task."""
        return self._loop

    def done(self) -> bool:
        """Return True if the wait is over: by a value, an exception or `cancel`."""
        return self._done

    def result(self) -> T:
        """Return the value.

        Raises the exception of `set_exception`, or CancelledError, once: the task has had it then. Raises
        `asyncio.InvalidStateError` when there is nothing to give, yet or any more.
        """
        if self._exception is None:
            return self._value
        raise self._give_away(self._exception)

    def add_done_callback(self, callback: Callable[[Waiter[T]], object], *, context: Context) -> None:
        """Take the wake-up of the waiting task; `asyncio.Task` alone calls this."""
        self._callback = callback
        self._context = context

    def set_result(self, value: T) -> None:
        """End the wait with a value. The task has run up to its next await when this returns.

        If a task is running in this thread, the waiting one is resumed by the next iteration of the loop instead.
        The caller must not be inside of the waiting task's context, which cannot be entered twice.
        Raises `asyncio.InvalidStateError` if the wait is over, and the SystemExit or KeyboardInterrupt of the task.
        """
        if self._done:
            raise asyncio.InvalidStateError("the wait is over")
        self._done = True
        self._exception = None
        self._value = value
        self._resume(directly=current_task(self._loop) is None)

    def set_exception(self, exception: BaseException) -> None:
        """End the wait with an exception; in everything else like `set_result`."""
        if self._done:
            raise asyncio.InvalidStateError("the wait is over")
        self._done = True
        self._exception = exception
        del exception  # see _resume
        self._resume(directly=current_task(self._loop) is None)

    def cancel(self, msg: Any | None = None) -> bool:
        """End the wait with CancelledError, which the task gets in the next iteration of the loop.

        Return False if the wait was over already.
        """
        if self._done:
            return False
        self._done = True
        self._exception = asyncio.CancelledError() if msg is None else asyncio.CancelledError(msg)
        self._resume(directly=False)
        return True

    def _resume(self, *, directly: bool) -> None:
        # The traceback of a task that fails has the frames of this call too, and they have the Waiter. If one of them
        # kept the callback, which has the task, or the exception, then only the garbage collector could free the lot.
        callback, self._callback = self._callback, None
        if callback is None:  # no task has come to wait yet
            return
        if directly:
            self._context.run(callback, self)
        else:
            self._loop.call_soon(callback, self, context=self._context)
        del callback

    def _give_away(self, exception: BaseException | type[BaseException]) -> BaseException | type[BaseException]:
        self._exception = asyncio.InvalidStateError
        return exception
