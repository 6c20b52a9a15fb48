"""The verbs of an actor's tasks: starting them, letting them wait, waking them, and keeping them apart."""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from types import TracebackType
from typing import Any, ParamSpec, TypeVar, overload

from skypy.worker.actors.scheduler import function_name
from skypy.worker.tasks.first_step import check_callable, run_function
from skypy.worker.tasks.waiter import Waiter
from skypy.worker.worker import WorkerActor, current_actor

P = ParamSpec("P")
T = TypeVar("T")

# -- starting --


@overload
def fork(_function: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> asyncio.Task[T]: ...
@overload
def fork(_function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> asyncio.Task[T]: ...
def fork(_function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> asyncio.Task[Any]:
    """Run a function in a task of its own, once the current handler waits or returns (skynet.fork).

    A plain function works as well. Returns the task: its result is the function's, it can be cancelled, and `wakeup`
    ends its sleep. Raises TypeError for an object that cannot be called.
    """
    actor = current_actor()
    check_callable(_function)
    return actor.worker.scheduler.fork(actor, run_function(_function, *args, **kwargs), function_name(_function))


class Timeout:
    """A function that will run later, unless `cancel` is called before."""

    __slots__ = ("_timers", "_token")

    def __init__(self, timers: dict[object, asyncio.TimerHandle], token: object) -> None:
        self._timers = timers
        self._token = token

    def cancel(self) -> None:
        """Do not run the function. Does nothing when it has run, or was cancelled before."""
        timer = self._timers.pop(self._token, None)
        if timer is not None:
            timer.cancel()


def timeout(seconds: float, function: Callable[..., Any], /, *args: Any) -> Timeout:
    """Run a function in a task of its own after `seconds` (skynet.timeout), unless the actor ends before.

    A negative number is 0 seconds. Raises TypeError for an object that cannot be called, ValueError for NaN.
    """
    actor = current_actor()
    check_callable(function)
    token = object()
    loop = actor.worker.loop
    actor.timers[token] = loop.call_later(_checked(seconds), _timeout_passed, actor, token, function, args)
    return Timeout(actor.timers, token)


def _timeout_passed(actor: WorkerActor, token: object, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
    del actor.timers[token]
    if actor.ended is None:
        scheduler = actor.worker.scheduler
        scheduler.begin_turn()
        scheduler.run(actor, function_name(function), function, *args)
        scheduler.end_turn()


# -- waiting --


async def sleep(seconds: float) -> bool:
    """Wait for `seconds`; return True when they have passed, False when `wakeup(task)` came before (skynet.sleep).

    As in asyncio, a negative number is 0 seconds, and infinity waits for `wakeup` or the end of the actor.
    Raises ValueError for NaN, RuntimeError when another wait of this actor has the task for its token.
    """
    actor = current_actor()
    task = asyncio.current_task()
    if task in actor.waiting:
        raise RuntimeError("this task is waiting already")
    waiter: Waiter[bool] = Waiter(actor.worker.loop)
    timer = actor.worker.loop.call_later(_checked(seconds), _sleep_passed, actor, waiter)
    actor.waiting[task] = waiter
    try:
        return await waiter
    finally:
        timer.cancel()
        if actor.waiting.get(task) is waiter:
            del actor.waiting[task]


def _sleep_passed(actor: WorkerActor, waiter: Waiter[bool]) -> None:
    if not waiter.done():
        scheduler = actor.worker.scheduler
        scheduler.begin_turn()
        scheduler.wake(waiter, value=True)
        scheduler.end_turn()


def _checked(seconds: float) -> float:
    if seconds != seconds:
        raise ValueError(f"{seconds!r} seconds cannot be waited for: it takes a number")
    return max(seconds, 0)


async def wait(token: Hashable) -> None:
    """Wait until code of this actor calls `wakeup(token)` (skynet.wait). A token is any hashable object.

    Raises RuntimeError when another task waits for an equal token.
    """
    actor = current_actor()
    if token in actor.waiting:
        raise RuntimeError(f"another task waits for {token!r} already")
    waiter: Waiter[bool] = Waiter(actor.worker.loop)
    actor.waiting[token] = waiter
    try:
        await waiter
    finally:
        if actor.waiting.get(token) is waiter:
            del actor.waiting[token]


def wakeup(token: Hashable) -> bool:
    """End the `wait` for a token, or the `sleep` of a task, which goes on once the current handler waits or returns.

    Returns False when there is no such wait: the wakeup is lost (skynet.wakeup).
    """
    actor = current_actor()
    waiter = actor.waiting.pop(token, None)
    if waiter is None or waiter.done():
        return False
    actor.worker.scheduler.wake(waiter, value=False)
    return True


# -- critical sections --


class Queue:
    """A critical section of an actor: one task at a time, in the order in which they came; re-entrant in one task."""

    __slots__ = ("_depth", "_holder", "_waiting")

    def __init__(self) -> None:
        self._holder: asyncio.Task[Any] | None = None
        self._depth = 0
        self._waiting: deque[tuple[asyncio.Task[Any], Waiter[None]]] = deque()

    async def __aenter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        if self._holder is None:
            self._holder = task
        elif self._holder is not task:
            await self._wait(task)
        self._depth += 1

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._depth -= 1
        if not self._depth:
            self._pass_on()

    async def __call__(self, _function: Callable[..., T | Awaitable[T]], /, *args: Any, **kwargs: Any) -> T:
        """Run a function, plain or coroutine, in the section, and return its result."""
        async with self:
            result = _function(*args, **kwargs)
            return await result if inspect.isawaitable(result) else result

    async def _wait(self, task: asyncio.Task[Any]) -> None:
        waiter: Waiter[None] = Waiter(current_actor().worker.loop)
        entry = (task, waiter)
        self._waiting.append(entry)
        try:
            await waiter
        except BaseException:
            if self._holder is task:  # it was passed on to us while we were being cancelled
                self._pass_on()
            elif entry in self._waiting:  # or we were passed over
                self._waiting.remove(entry)
            raise

    def _pass_on(self) -> None:
        self._holder = None
        while self._waiting:
            task, waiter = self._waiting.popleft()
            if not waiter.done():
                self._holder = task
                current_actor().worker.scheduler.wake(waiter)
                return


def queue() -> Queue:
    """Return a new critical section: `async with lock`, or `await lock(function, *args)` (skynet.queue)."""
    return Queue()
