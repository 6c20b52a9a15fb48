"""Checks of what asyncio, anyio, aiohttp and httpx need from the task that runs a service's code.

Every check is the body of a task. It runs on a task of the standard library, which shows that the check is right, and
on ours: started eagerly, resumed directly, and started later.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import Callable, Coroutine, Iterator
from contextvars import Context
from typing import Any, Protocol, TypeVar

import pytest

from skypy.worker.tasks.eager import start_eagerly
from skypy.worker.tasks.first_step import create_unstarted
from skypy.worker.tasks.waiter import Waiter

T = TypeVar("T")

SOON = 0.001
LATE = 30.0


class Start(Protocol):
    """The function by which a check starts more tasks of its own kind."""

    def __call__(self, coroutine: Coroutine[Any, Any, T], /, *, name: str | None = None) -> asyncio.Task[T]: ...


class Driver(Protocol):
    """The way in which a task is started."""

    def __call__(
        self,
        loop: asyncio.AbstractEventLoop,
        coroutine: Coroutine[Any, Any, T],
        *,
        name: str | None = None,
        context: Context,
    ) -> asyncio.Task[T]: ...


def start_normally(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T], *, name: str | None = None, context: Context
) -> asyncio.Task[T]:
    return loop.create_task(coroutine, name=name, context=context)


def start_with_a_direct_wait(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T], *, name: str | None = None, context: Context
) -> asyncio.Task[T]:
    async def body() -> T:
        await direct_wait()
        return await coroutine

    return start_eagerly(loop, body(), name=name, context=context)


def start_later(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T], *, name: str | None = None, context: Context
) -> asyncio.Task[T]:
    task, first_step = create_unstarted(loop, coroutine, name=name, context=context)
    loop.call_soon(first_step)
    return task


DRIVERS: dict[str, Driver] = {
    "standard": start_normally,
    "eager": start_eagerly,
    "eager after a direct wait": start_with_a_direct_wait,
    "started later": start_later,
}

Check = Callable[[Start], Coroutine[Any, Any, None]]
ambient: contextvars.ContextVar[str] = contextvars.ContextVar("ambient", default="nothing")

every_driver = pytest.mark.parametrize("driver", DRIVERS.values(), ids=DRIVERS.keys())


class Checks:
    """The checks of one file; a decorator that takes one more."""

    def __init__(self) -> None:
        self._cases: list[tuple[Check, bool]] = []

    def __call__(self, body: Check) -> Check:
        self._cases.append((body, False))
        return body

    def in_debug_mode_as_well(self, body: Check) -> Check:
        """Take a check that is played in the debug mode of asyncio, too."""
        self._cases += [(body, False), (body, True)]
        return body

    @property
    def each(self) -> pytest.MarkDecorator:
        """The parameters `body` and `debug` of a test that plays all of them."""
        ids = [f"{body.__name__}{' in debug mode' if debug else ''}" for body, debug in self._cases]
        return pytest.mark.parametrize(("body", "debug"), self._cases, ids=ids)


@contextlib.contextmanager
def running_loop(*, debug: bool = False) -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that must be left tidy: no task, and no complaint to its exception handler.

    asyncio.Runner would wait for ever for a task that cannot be cancelled.
    """
    complaints: list[dict[str, Any]] = []
    loop = asyncio.new_event_loop()
    loop.set_debug(debug)
    loop.set_exception_handler(lambda _, complaint: complaints.append(complaint))
    try:
        yield loop
        loop.run_until_complete(settle())
        assert asyncio.all_tasks(loop) == set()
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()
    assert complaints == []


def run(driver: Driver, body: Check, *, debug: bool = False) -> None:
    """Run a check as a task that is started, as a service's tasks are, by a plain callback of a running loop."""
    with running_loop(debug=debug) as loop:
        finished: asyncio.Future[asyncio.Task[None]] = loop.create_future()

        def start(coroutine: Coroutine[Any, Any, T], /, *, name: str | None = None) -> asyncio.Task[T]:
            return driver(loop, coroutine, name=name, context=contextvars.copy_context())

        def launch() -> None:
            context = contextvars.copy_context()
            context.run(ambient.set, "the starter's")
            driver(loop, body(start), name="the check", context=context).add_done_callback(finished.set_result)

        loop.call_soon(launch)
        loop.run_until_complete(finished).result()


async def settle() -> None:
    """Let every task that can run come to its next wait."""
    for _ in range(5):
        await asyncio.sleep(0)


async def for_ever() -> None:
    await asyncio.get_running_loop().create_future()


async def wait_for_ever() -> None:
    """As `for_ever`, by one of our own waits."""
    await Waiter[None](asyncio.get_running_loop())


async def direct_wait() -> None:
    """A wait that a callback of the loop ends directly."""
    waiter = Waiter[None](asyncio.get_running_loop())

    def wake() -> None:
        if not waiter.done():
            waiter.set_result(None)

    asyncio.get_running_loop().call_soon(wake)
    await waiter


def current() -> asyncio.Task[Any]:
    task = asyncio.current_task()
    assert task is not None
    return task


class Failure(Exception):
    pass


async def fail() -> None:
    await asyncio.sleep(0)
    raise Failure("no luck")
