"""What asyncio, anyio, aiohttp and httpx need from the task that runs a service's code.

Every check is the body of a task. It runs on a task of the standard library, which shows that the check is right, and
on ours: started eagerly, resumed directly, and started later.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import io
import operator
import sys
import threading
import traceback
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextvars import Context
from typing import Any, Protocol, TypeVar

import aiohttp
import anyio
import anyio.from_thread
import anyio.to_thread
import httpx
import pytest
from aiohttp import web

from skypy.worker.tasks.eager import start_eagerly
from skypy.worker.tasks.first_step import create_unstarted
from skypy.worker.tasks.waiter import Waiter

T = TypeVar("T")

SOON = 0.001
LATE = 30.0


class Start(Protocol):
    """How a check starts more tasks of the kind that runs itself."""

    def __call__(self, coroutine: Coroutine[Any, Any, T], /, *, name: str | None = None) -> asyncio.Task[T]: ...


class Driver(Protocol):
    """How a task is started."""

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
CHECKS: dict[str, Check] = {}
ambient: contextvars.ContextVar[str] = contextvars.ContextVar("ambient", default="nothing")


def check(function: Check) -> Check:
    CHECKS[function.__name__] = function
    return function


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


# Who am I


@check
async def the_current_task_is_this_one_from_the_first_step_on(start: Start) -> None:
    seen: list[asyncio.Task[Any]] = []

    async def child() -> None:
        seen.append(current())
        await asyncio.sleep(0)
        seen.append(current())
        await direct_wait()
        seen.append(current())
        await asyncio.sleep(SOON)
        seen.append(current())

    task = start(child())
    await task
    assert seen == [task] * 4


@check
async def the_current_task_is_this_one_again_after_starting_another(start: Start) -> None:
    me = current()
    other = start(direct_wait())
    assert asyncio.current_task() is me
    await other
    assert asyncio.current_task() is me


@check
async def callbacks_of_the_loop_have_no_current_task(start: Start) -> None:
    seen: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(lambda: seen.set_result(asyncio.current_task()))
    assert await seen is None


@check
async def done_callbacks_have_no_current_task(start: Start) -> None:
    seen: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    start(asyncio.sleep(0)).add_done_callback(lambda _: seen.set_result(asyncio.current_task()))
    assert await seen is None


@check
async def it_is_among_all_tasks_until_it_ends(start: Start) -> None:
    assert current() in asyncio.all_tasks()
    task = start(direct_wait())
    assert task in asyncio.all_tasks()
    await task
    assert task not in asyncio.all_tasks()


@check
async def it_is_a_task_and_a_future(start: Start) -> None:
    assert isinstance(current(), asyncio.Task)
    assert isinstance(current(), asyncio.Future)
    assert asyncio.isfuture(current())
    assert asyncio.ensure_future(current()) is current()


@check
async def it_has_the_name_it_was_given(start: Start) -> None:
    assert current().get_name() == "the check"
    current().set_name("renamed")
    assert current().get_name() == "renamed"


@check
async def it_has_a_name_of_its_own_if_none_was_given(start: Start) -> None:
    async def child() -> str:
        return current().get_name()

    names = [await start(child()), await start(child())]
    assert all(name.startswith("Task-") for name in names)
    assert names[0] != names[1]


@check
async def it_knows_its_loop_and_coroutine(start: Start) -> None:
    assert current().get_loop() is asyncio.get_running_loop()
    assert asyncio.iscoroutine(current().get_coro())


if sys.version_info >= (3, 12):

    @check
    async def it_knows_its_context(start: Start) -> None:
        ambient.set("mine")
        assert current().get_context()[ambient] == "mine"


@check
async def its_stack_shows_where_it_waits(start: Start) -> None:
    task = start(for_ever())
    await settle()
    assert len(task.get_stack()) == 1
    output = io.StringIO()
    task.print_stack(file=output)
    assert output.getvalue().startswith("Stack for <Task pending")
    assert __file__ in output.getvalue()
    task.cancel()


@check
async def its_stack_shows_where_it_failed(start: Start) -> None:
    task = start(fail())
    await asyncio.wait([task])
    output = io.StringIO()
    task.print_stack(file=output)
    assert "in fail" in output.getvalue()
    assert "Failure: no luck" in output.getvalue()
    assert isinstance(task.exception(), Failure)


@check
async def its_representation_shows_name_and_state(start: Start) -> None:
    task = start(for_ever(), name="the patient one")
    await settle()
    assert repr(task).startswith("<Task pending name='the patient one' coro=<")
    assert "wait_for=<Future pending" in repr(task)
    task.cancel()
    await settle()
    assert repr(task).startswith("<Task cancelled name='the patient one'")


@check
async def its_representation_shows_what_it_waits_for(start: Start) -> None:
    task = start(wait_for_ever())
    await settle()
    assert "wait_for=<Waiter pending>" in repr(task)
    task.cancel()


@check
async def it_can_be_weakly_referenced_and_hashed(start: Start) -> None:
    tasks: weakref.WeakKeyDictionary[asyncio.Task[Any], str] = weakref.WeakKeyDictionary()
    task = start(asyncio.sleep(0))
    tasks[task] = "there"
    tasks[current()] = "here"
    await task
    assert tasks[task] == "there"
    del task
    await settle()
    assert list(tasks.values()) == ["here"]


# Done callbacks


@check
async def done_callbacks_get_the_task_in_order_by_way_of_the_loop(start: Start) -> None:
    calls: list[object] = []
    task = start(direct_wait())
    task.add_done_callback(lambda done: calls.append(("first", done)))
    task.add_done_callback(lambda done: calls.append(("second", done)))
    await task
    await settle()
    assert calls == [("first", task), ("second", task)]


@check
async def a_done_callback_comes_even_if_the_task_has_ended(start: Start) -> None:
    task = start(asyncio.sleep(0))
    await task
    calls: list[object] = []
    task.add_done_callback(calls.append)
    assert calls == []
    await settle()
    assert calls == [task]


@check
async def a_done_callback_can_be_removed(start: Start) -> None:
    calls: list[object] = []
    task = start(direct_wait())
    task.add_done_callback(calls.append)
    task.add_done_callback(calls.append)
    assert task.remove_done_callback(calls.append) == 2
    await task
    await settle()
    assert calls == []


@check
async def a_done_callback_runs_in_the_context_it_was_given(start: Start) -> None:
    seen: list[str] = []
    context = contextvars.copy_context()
    context.run(ambient.set, "the callback's")
    task = start(direct_wait())
    task.add_done_callback(lambda _: seen.append(ambient.get()), context=context)
    task.add_done_callback(lambda _: seen.append(ambient.get()))
    await task
    await settle()
    assert seen == ["the callback's", "the starter's"]


# How it ends


@check
async def its_result_is_what_the_coroutine_returns(start: Start) -> None:
    async def child() -> int:
        await direct_wait()
        return 7

    task = start(child())
    assert not task.done()
    assert await task == 7
    assert task.done()
    assert task.result() == 7
    assert task.exception() is None
    assert not task.cancelled()


@check
async def a_coroutine_that_never_waits_gives_its_result(start: Start) -> None:
    async def child() -> int:
        return 7

    assert await start(child()) == 7


@check
async def one_at_which_nobody_looked_before_its_end_is_done(start: Start) -> None:
    kept: list[asyncio.Task[Any]] = []

    async def end(outcome: BaseException | None) -> str:
        kept.append(current())
        if outcome is not None:
            raise outcome
        return "well"

    for task in (start(end(None)), start(end(Failure("badly"))), start(end(asyncio.CancelledError("not at all")))):
        await asyncio.wait([task])
    assert kept[0].result() == "well"
    assert isinstance(kept[1].exception(), Failure)
    assert kept[2].cancelled()


@check
async def one_that_cancels_itself_and_waits_no_more_is_cancelled(start: Start) -> None:
    async def child() -> None:
        current().cancel()

    task = start(child())
    await asyncio.wait([task])
    assert task.cancelled()


@check
async def one_that_cancels_itself_cancels_what_it_waits_for(start: Start) -> None:
    async def child(waited_for: asyncio.Future[None]) -> None:
        current().cancel("I give up")
        await waited_for

    future = asyncio.get_running_loop().create_future()
    task = start(child(future))
    with pytest.raises(asyncio.CancelledError, match="I give up"):
        await task
    assert future.cancelled()


@check
async def what_no_task_can_wait_for_is_an_error_where_it_waits(start: Start) -> None:
    class Nothing:
        def __await__(self) -> Iterator[int]:
            yield 7

    async def child() -> str:
        with pytest.raises(RuntimeError, match="7"):
            await Nothing()  # type: ignore[misc]
        return "goes on"

    assert await start(child()) == "goes on"


@check
async def its_exception_is_what_the_coroutine_raises(start: Start) -> None:
    task = start(fail())
    with pytest.raises(Failure, match="no luck"):
        await task
    assert isinstance(task.exception(), Failure)
    with pytest.raises(Failure):
        task.result()
    assert not task.cancelled()


@check
async def the_traceback_of_its_exception_names_the_functions(start: Start) -> None:
    async def outer() -> None:
        await direct_wait()
        await fail()

    task = start(outer())
    await asyncio.wait([task])
    error = task.exception()
    assert error is not None
    names = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    assert names[-2:] == ["outer", "fail"]


@check
async def it_has_no_result_before_it_ends(start: Start) -> None:
    task = start(direct_wait())
    with pytest.raises(asyncio.InvalidStateError):
        task.result()
    with pytest.raises(asyncio.InvalidStateError):
        task.exception()
    await task


@check
async def nobody_can_set_its_result(start: Start) -> None:
    with pytest.raises(RuntimeError, match="does not support set_result"):
        current().set_result(None)
    with pytest.raises(RuntimeError, match="does not support set_exception"):
        current().set_exception(Failure())


@check
async def a_cancelled_task_has_neither_result_nor_exception(start: Start) -> None:
    task = start(for_ever())
    await settle()
    assert task.cancel()
    await settle()
    assert task.cancelled()
    assert task.done()
    with pytest.raises(asyncio.CancelledError):
        task.result()
    with pytest.raises(asyncio.CancelledError):
        task.exception()


@check
async def several_tasks_can_wait_for_it(start: Start) -> None:
    async def child() -> str:
        await direct_wait()
        return "done"

    async def waiting(task: asyncio.Task[str]) -> str:
        return await task

    task = start(child())
    assert await asyncio.gather(*(start(waiting(task)) for _ in range(3))) == ["done"] * 3


@check
async def it_cannot_wait_for_itself(start: Start) -> None:
    with pytest.raises(RuntimeError, match="cannot await on itself"):
        await current()


@check
async def an_exception_that_nobody_retrieves_is_reported(start: Start) -> None:
    loop = asyncio.get_running_loop()
    reports: list[str] = []
    handler = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, report: reports.append(report["message"]))
    start(fail())
    await settle()
    gc.collect()
    loop.set_exception_handler(handler)
    assert reports == ["Task exception was never retrieved"]


# Cancelling


@check
async def it_can_cancel_itself(start: Start) -> None:
    assert current().cancel("I give up")
    with pytest.raises(asyncio.CancelledError, match="I give up"):
        await direct_wait()
    assert current().uncancel() == 0


@check
async def a_cancellation_keeps_its_message(start: Start) -> None:
    messages: list[str] = []

    async def child() -> None:
        try:
            await for_ever()
        except asyncio.CancelledError as error:
            messages.extend(error.args)
            raise

    task = start(child())
    await settle()
    task.cancel("enough")
    await asyncio.wait([task])
    assert messages == ["enough"]
    with pytest.raises(asyncio.CancelledError, match="enough"):
        task.result()


@check
async def cancellations_are_counted(start: Start) -> None:
    me = current()
    assert me.cancelling() == 0
    me.cancel()
    me.cancel()
    assert me.cancelling() == 2
    with pytest.raises(asyncio.CancelledError):
        await asyncio.sleep(0)
    assert me.uncancel() == 1
    assert me.uncancel() == 0
    assert me.uncancel() == 0
    await asyncio.sleep(0)


@check
async def a_wait_of_ours_is_cancelled(start: Start) -> None:
    messages: list[str] = []

    async def child() -> None:
        try:
            await wait_for_ever()
        except asyncio.CancelledError as error:
            messages.extend(error.args)
            raise

    task = start(child())
    await settle()
    task.cancel("enough")
    assert not task.done()
    await asyncio.wait([task])
    assert task.cancelled()
    assert messages == ["enough"]


@check
async def a_swallowed_cancellation_does_not_end_it(start: Start) -> None:
    async def child() -> str:
        for wait in (for_ever, wait_for_ever):
            with contextlib.suppress(asyncio.CancelledError):
                await wait()
        return "still here"

    task = start(child())
    for _ in range(2):
        await settle()
        task.cancel()
    assert await task == "still here"
    assert not task.cancelled()
    assert task.cancelling() == 2


@check
async def a_cancellation_that_arrives_with_the_last_step_cancels_it(start: Start) -> None:
    async def child() -> str:
        await direct_wait()
        current().cancel()
        return "too late"

    task = start(child())
    await asyncio.wait([task])
    assert task.cancelled()


@check
async def a_task_that_has_ended_cannot_be_cancelled(start: Start) -> None:
    task = start(asyncio.sleep(0))
    await task
    assert not task.cancel()
    assert not task.cancelled()


@check
async def a_cancelled_task_may_wait_while_it_cleans_up(start: Start) -> None:
    steps: list[str] = []

    async def child() -> None:
        try:
            await wait_for_ever()
        finally:
            await direct_wait()
            await asyncio.sleep(0)
            steps.append("cleaned up")

    task = start(child())
    await settle()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert steps == ["cleaned up"]


@check
async def cancelling_it_cancels_the_task_it_waits_for(start: Start) -> None:
    inner = start(wait_for_ever())

    async def outer() -> None:
        await inner

    task = start(outer())
    await settle()
    task.cancel()
    await asyncio.wait([task])
    assert inner.cancelled()


@check
async def a_cancellation_between_wake_up_and_step_wins(start: Start) -> None:
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    waiter = Waiter[str](asyncio.get_running_loop())

    async def on_future() -> None:
        await future

    async def on_waiter() -> None:
        await waiter

    tasks = [start(on_future()), start(on_waiter())]
    await settle()
    future.set_result("value")
    waiter.set_result("value")
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert [task.cancelled() for task in tasks] == [True, True]


@check
async def an_error_while_cleaning_up_replaces_the_cancellation(start: Start) -> None:
    async def child() -> None:
        try:
            await wait_for_ever()
        finally:
            await fail()

    task = start(child())
    await settle()
    task.cancel()
    with pytest.raises(Failure) as caught:
        await task
    assert isinstance(caught.value.__context__, asyncio.CancelledError)


# Time limits


@check
async def a_timeout_ends_a_wait(start: Start) -> None:
    for wait in (for_ever, wait_for_ever):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SOON) as limit:
                await wait()
        assert limit.expired()
    assert current().cancelling() == 0


@check
async def a_timeout_that_is_kept_does_nothing(start: Start) -> None:
    async with asyncio.timeout(LATE) as limit:
        await direct_wait()
        await asyncio.sleep(0)
    assert not limit.expired()
    async with asyncio.timeout(None) as no_limit:
        await direct_wait()
    assert no_limit.when() is None


@check
async def a_timeout_can_be_an_instant(start: Start) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout_at(asyncio.get_running_loop().time()):
            await wait_for_ever()


@check
async def the_inner_of_two_timeouts_expires_alone(start: Start) -> None:
    async with asyncio.timeout(LATE) as outer:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SOON):
                await wait_for_ever()
        await direct_wait()
    assert not outer.expired()


@check
async def the_outer_of_two_timeouts_expires_through_the_inner(start: Start) -> None:
    outer, inner = asyncio.timeout(SOON), asyncio.timeout(LATE)
    with pytest.raises(TimeoutError):
        async with outer, inner:
            await wait_for_ever()
    assert outer.expired()
    assert not inner.expired()


@check
async def a_timeout_can_be_rescheduled(start: Start) -> None:
    async def child() -> None:
        async with asyncio.timeout(LATE) as limit:
            limit.reschedule(asyncio.get_running_loop().time() + SOON)
            await wait_for_ever()

    with pytest.raises(TimeoutError):
        await child()
    async with asyncio.timeout(0) as limit:
        limit.reschedule(None)
        await direct_wait()
    assert not limit.expired()


@check
async def a_cancellation_inside_of_a_timeout_stays_a_cancellation(start: Start) -> None:
    async def child() -> None:
        async with asyncio.timeout(LATE):
            await wait_for_ever()

    task = start(child())
    await settle()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


@check
async def wait_for_gives_the_result(start: Start) -> None:
    async def child() -> str:
        await direct_wait()
        return "in time"

    assert await asyncio.wait_for(child(), LATE) == "in time"
    assert await asyncio.wait_for(start(child()), LATE) == "in time"
    assert await asyncio.wait_for(child(), None) == "in time"


@check
async def wait_for_cancels_what_takes_too_long(start: Start) -> None:
    task = start(wait_for_ever())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(task, SOON)
    assert task.cancelled()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(wait_for_ever(), SOON)


@check
async def wait_for_hands_a_cancellation_on(start: Start) -> None:
    inner = start(wait_for_ever())
    outer = start(asyncio.wait_for(inner, LATE))
    await settle()
    outer.cancel()
    await asyncio.wait([outer])
    assert outer.cancelled()
    assert inner.cancelled()


# Several at once


@check
async def shield_keeps_a_cancellation_away(start: Start) -> None:
    inner = start(wait_for_ever())

    async def child() -> None:
        await asyncio.shield(inner)

    outer = start(child())
    await settle()
    outer.cancel()
    await settle()
    assert outer.cancelled()
    assert not inner.done()
    inner.cancel()


@check
async def gather_gives_the_results_in_order(start: Start) -> None:
    async def child(number: int) -> int:
        await direct_wait()
        await asyncio.sleep(0)
        return number

    assert await asyncio.gather(*(child(number) for number in range(5))) == list(range(5))
    assert await asyncio.gather(*(start(child(number)) for number in range(5))) == list(range(5))


@check
async def gather_raises_or_returns_the_exceptions(start: Start) -> None:
    with pytest.raises(Failure):
        await asyncio.gather(fail(), direct_wait())
    failure, nothing = await asyncio.gather(start(fail()), start(direct_wait()), return_exceptions=True)
    assert isinstance(failure, Failure)
    assert nothing is None


@check
async def cancelling_gather_cancels_its_tasks(start: Start) -> None:
    tasks = [start(wait_for_ever()), start(for_ever())]

    async def child() -> None:
        await asyncio.gather(*tasks)

    outer = start(child())
    await settle()
    outer.cancel()
    await asyncio.wait([outer])
    assert outer.cancelled()
    assert [task.cancelled() for task in tasks] == [True, True]


@check
async def wait_returns_with_the_first_that_ends(start: Start) -> None:
    quick, slow = start(direct_wait()), start(wait_for_ever())
    done, pending = await asyncio.wait([quick, slow], return_when=asyncio.FIRST_COMPLETED)
    assert (done, pending) == ({quick}, {slow})
    slow.cancel()


@check
async def wait_returns_with_the_first_that_fails(start: Start) -> None:
    failing, slow = start(fail()), start(wait_for_ever())
    done, pending = await asyncio.wait([failing, slow], return_when=asyncio.FIRST_EXCEPTION)
    assert (done, pending) == ({failing}, {slow})
    assert isinstance(failing.exception(), Failure)
    slow.cancel()


@check
async def wait_returns_with_all_or_after_its_timeout(start: Start) -> None:
    tasks = {start(direct_wait()), start(asyncio.sleep(0))}
    assert await asyncio.wait(tasks) == (tasks, set())
    slow = start(wait_for_ever())
    assert await asyncio.wait([slow], timeout=SOON) == (set(), {slow})
    assert not slow.done()
    slow.cancel()


@check
async def as_completed_gives_them_as_they_end(start: Start) -> None:
    gate = asyncio.Event()

    async def first() -> str:
        await direct_wait()
        gate.set()
        return "first"

    async def second() -> str:
        await gate.wait()
        return "second"

    assert [await one for one in asyncio.as_completed([start(second()), start(first())])] == ["first", "second"]


@check
async def as_completed_has_a_timeout(start: Start) -> None:
    task = start(wait_for_ever())
    (first,) = asyncio.as_completed([task], timeout=SOON)
    with pytest.raises(TimeoutError):
        await first
    task.cancel()


@check
async def a_task_group_waits_for_its_tasks(start: Start) -> None:
    async def child(number: int) -> int:
        await direct_wait()
        return number

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(child(number)) for number in range(3)]
    assert [task.result() for task in tasks] == [0, 1, 2]


@check
async def a_failure_in_a_task_group_cancels_the_others_and_the_body(start: Start) -> None:
    children: list[asyncio.Task[None]] = []

    async def parent() -> None:
        async with asyncio.TaskGroup() as group:
            children.extend([group.create_task(wait_for_ever()), group.create_task(fail())])
            await wait_for_ever()

    with pytest.raises(ExceptionGroup) as caught:
        await parent()
    assert [type(error) for error in caught.value.exceptions] == [Failure]
    assert children[0].cancelled()
    assert current().cancelling() == 0


@check
async def cancelling_a_task_group_cancels_its_tasks(start: Start) -> None:
    children: list[asyncio.Task[None]] = []

    async def parent() -> None:
        async with asyncio.TaskGroup() as group:
            children.extend([group.create_task(wait_for_ever()), group.create_task(for_ever())])

    task = start(parent())
    await settle()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert [child.cancelled() for child in children] == [True, True]


@check
async def task_groups_can_be_nested(start: Start) -> None:
    caught: list[type[BaseException]] = []
    try:
        async with asyncio.TaskGroup() as outer:
            outer.create_task(wait_for_ever())
            async with asyncio.TaskGroup() as inner:
                inner.create_task(wait_for_ever())
                inner.create_task(fail())
    except* Failure as group:
        caught.extend(type(error) for error in group.exceptions)
    assert caught == [ExceptionGroup]


@check
async def a_task_group_inside_of_a_timeout_is_ended_by_it(start: Start) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(SOON), asyncio.TaskGroup() as group:
            child = group.create_task(wait_for_ever())
    assert child.cancelled()
    assert current().cancelling() == 0


# Context variables


@check
async def it_runs_in_the_context_it_was_given(start: Start) -> None:
    assert ambient.get() == "the starter's"
    await asyncio.sleep(0)
    await direct_wait()
    assert ambient.get() == "the starter's"


@check
async def its_children_inherit_a_copy_of_its_context(start: Start) -> None:
    async def child() -> str:
        inherited = ambient.get()
        ambient.set("the child's")
        await asyncio.sleep(0)
        return inherited

    ambient.set("the parent's")
    assert await asyncio.create_task(child()) == "the parent's"
    assert await start(child()) == "the parent's"
    async with asyncio.TaskGroup() as group:
        task = group.create_task(child())
    assert task.result() == "the parent's"
    assert ambient.get() == "the parent's"


@check
async def a_variable_can_be_reset_after_a_wait(start: Start) -> None:
    token = ambient.set("for a while")
    await direct_wait()
    await asyncio.sleep(0)
    assert ambient.get() == "for a while"
    ambient.reset(token)
    assert ambient.get() == "the starter's"


@check
async def tasks_do_not_see_each_others_variables(start: Start) -> None:
    async def child(value: str) -> bool:
        ambient.set(value)
        for wait in (direct_wait, settle, direct_wait):
            await wait()
            if ambient.get() != value:
                return False
        return True

    assert await asyncio.gather(*(start(child(f"value {number}")) for number in range(5))) == [True] * 5
    assert ambient.get() == "the starter's"


@check
async def callbacks_of_the_loop_run_in_a_copy_of_its_context(start: Start) -> None:
    loop = asyncio.get_running_loop()
    seen: asyncio.Future[str] = loop.create_future()

    def callback() -> None:
        seen.set_result(ambient.get())
        ambient.set("the callback's")

    ambient.set("mine")
    loop.call_later(SOON, callback)
    assert await seen == "mine"
    assert ambient.get() == "mine"


# Locks and queues


@check
async def a_lock_lets_one_in_at_a_time(start: Start) -> None:
    lock = asyncio.Lock()
    inside: list[int] = []

    async def child() -> None:
        async with lock:
            inside.append(1)
            await direct_wait()
            assert sum(inside) == 1
            inside.pop()

    await asyncio.gather(*(start(child()) for _ in range(4)))
    assert not lock.locked()


@check
async def a_cancelled_wait_for_a_lock_leaves_it_to_others(start: Start) -> None:
    lock = asyncio.Lock()
    await lock.acquire()
    cancelled, other = start(lock.acquire()), start(lock.acquire())
    await settle()
    cancelled.cancel()
    lock.release()
    assert await other
    assert cancelled.cancelled()


@check
async def an_event_wakes_all(start: Start) -> None:
    event = asyncio.Event()
    tasks = [start(event.wait()) for _ in range(3)]
    await settle()
    event.set()
    assert await asyncio.gather(*tasks) == [True] * 3


@check
async def a_condition_wakes_those_it_notifies(start: Start) -> None:
    condition = asyncio.Condition()
    ready: list[str] = []

    async def child() -> str:
        async with condition:
            await condition.wait_for(lambda: ready)
            return ready.pop()

    task = start(child())
    await settle()
    async with condition:
        ready.append("go")
        condition.notify_all()
    assert await task == "go"


@check
async def a_semaphore_counts(start: Start) -> None:
    semaphore = asyncio.BoundedSemaphore(2)
    inside = [0, 0]

    async def child() -> None:
        async with semaphore:
            inside[0] += 1
            inside[1] = max(inside)
            await direct_wait()
            await asyncio.sleep(0)
            inside[0] -= 1

    await asyncio.gather(*(start(child()) for _ in range(5)))
    assert inside == [0, 2]


@check
async def a_queue_hands_over_in_order(start: Start) -> None:
    queue: asyncio.Queue[int] = asyncio.Queue(maxsize=2)

    async def produce() -> None:
        for number in range(10):
            await queue.put(number)

    async def consume() -> list[int]:
        numbers = []
        for _ in range(10):
            numbers.append(await queue.get())
            queue.task_done()
        return numbers

    producer, consumer = start(produce()), start(consume())
    assert await consumer == list(range(10))
    await producer
    await queue.join()


@check
async def a_barrier_waits_for_all(start: Start) -> None:
    barrier = asyncio.Barrier(3)
    positions = await asyncio.gather(*(start(barrier.wait()) for _ in range(3)))
    assert sorted(positions) == [0, 1, 2]


# Threads and processes


@check
async def to_thread_takes_the_context_along(start: Start) -> None:
    ambient.set("mine")
    thread, value = await asyncio.to_thread(lambda: (threading.current_thread(), ambient.get()))
    assert thread is not threading.current_thread()
    assert value == "mine"


@check
async def run_in_executor_gives_result_and_exception(start: Start) -> None:
    loop = asyncio.get_running_loop()
    assert await loop.run_in_executor(None, operator.add, 3, 4) == 7
    with pytest.raises(ZeroDivisionError):
        await loop.run_in_executor(None, operator.truediv, 1, 0)


@check
async def another_thread_can_run_a_coroutine_here(start: Start) -> None:
    loop = asyncio.get_running_loop()

    async def child() -> int:
        await direct_wait()
        return 7

    assert await asyncio.to_thread(lambda: asyncio.run_coroutine_threadsafe(child(), loop).result(LATE)) == 7


@check
async def a_subprocess_can_be_awaited(start: Start) -> None:
    process = await asyncio.create_subprocess_exec("cat", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate(b"through a pipe")
    assert (output, process.returncode) == (b"through a pipe", 0)


# Generators and context managers


@check
async def a_bare_yield_lets_the_others_run(start: Start) -> None:
    events: list[str] = []

    async def child(name: str) -> None:
        await settle()
        for _ in range(3):
            events.append(name)
            await asyncio.sleep(0)

    await asyncio.gather(start(child("a")), start(child("b")))
    assert events == ["a", "b"] * 3


@check
async def an_asynchronous_generator_can_wait_and_is_closed(start: Start) -> None:
    events: list[str] = []

    async def generate() -> AsyncIterator[int]:
        try:
            for number in range(10):
                await direct_wait()
                yield number
        finally:
            await asyncio.sleep(0)
            events.append("closed")

    async with contextlib.aclosing(generate()) as numbers:  # type: ignore[type-var]
        async for number in numbers:
            if number == 2:
                break
    assert events == ["closed"]
    assert [number async for number in generate()] == list(range(10))


@check
async def a_generator_that_is_left_behind_is_closed_by_the_loop(start: Start) -> None:
    events: list[str] = []

    async def generate() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0)
            events.append("closed")

    async for _ in generate():
        break
    gc.collect()
    await settle()
    assert events == ["closed"]


@check
async def an_exit_stack_unwinds_in_order(start: Start) -> None:
    events: list[str] = []

    async def leave(name: str) -> None:
        await direct_wait()
        events.append(name)

    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(leave, "first")
        stack.push_async_callback(leave, "second")
        with pytest.raises(Failure):
            await fail()
    assert events == ["second", "first"]


# Streams


@check
async def streams_carry_lines_and_half_close(start: Start) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()
        writer.write(b"the end")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"one\n")
        assert await reader.readline() == b"ONE\n"
        writer.write(b"two\n")
        writer.write_eof()
        assert await reader.read() == b"TWO\nthe end"
        writer.close()
        await writer.wait_closed()


@check
async def a_stream_read_can_time_out(start: Start) -> None:
    release = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        reader, writer = await asyncio.open_connection(host, port)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SOON):
                await reader.readline()
        release.set()
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


# anyio


@check
async def anyio_knows_the_task(start: Start) -> None:
    info = anyio.get_current_task()
    assert info.id == id(current())
    assert info.name == "the check"


@check
async def anyio_task_groups_wait_for_their_tasks(start: Start) -> None:
    results: list[int] = []

    async def child(number: int) -> None:
        await direct_wait()
        await anyio.sleep(0)
        results.append(number)

    async with anyio.create_task_group() as group:
        for number in range(3):
            group.start_soon(child, number)
    assert results == [0, 1, 2]


@check
async def anyio_task_groups_cancel_the_others_when_one_fails(start: Start) -> None:
    cancelled: list[bool] = []

    async def other() -> None:
        try:
            await wait_for_ever()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async def parent() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(other)
            group.start_soon(fail)
            await wait_for_ever()

    with pytest.raises(ExceptionGroup) as caught:
        await parent()
    assert [type(error) for error in caught.value.exceptions] == [Failure]
    assert cancelled == [True]
    assert current().cancelling() == 0


@check
async def anyio_task_groups_wait_until_a_task_says_it_has_started(start: Start) -> None:
    async def child(*, task_status: anyio.abc.TaskStatus[str]) -> None:
        await direct_wait()
        task_status.started("ready")
        await wait_for_ever()

    async with anyio.create_task_group() as group:
        assert await group.start(child) == "ready"
        group.cancel_scope.cancel()


@check
async def anyio_scopes_cancel_what_is_inside_only(start: Start) -> None:
    for wait in (for_ever, wait_for_ever):
        with anyio.CancelScope() as scope:
            asyncio.get_running_loop().call_soon(scope.cancel)
            await wait()
        assert scope.cancelled_caught
    await direct_wait()
    assert current().cancelling() == 0


@check
async def anyio_shields_keep_a_cancellation_away(start: Start) -> None:
    steps: list[str] = []
    with anyio.CancelScope() as scope:
        scope.cancel()
        with anyio.CancelScope(shield=True):
            await direct_wait()
            await anyio.sleep(0)
            steps.append("shielded")
        await anyio.sleep(0)
        steps.append("unreachable")
    assert steps == ["shielded"]


@check
async def anyio_move_on_after_leaves_quietly(start: Start) -> None:
    for wait in (for_ever, wait_for_ever):
        with anyio.move_on_after(SOON) as scope:
            await wait()
        assert scope.cancelled_caught


@check
async def anyio_fail_after_raises(start: Start) -> None:
    with pytest.raises(TimeoutError), anyio.fail_after(SOON):
        await wait_for_ever()
    with anyio.fail_after(LATE):
        await direct_wait()


@check
async def anyio_lets_a_cancellation_from_outside_through(start: Start) -> None:
    async def child() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(wait_for_ever)

    task = start(child())
    await settle()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


@check
async def anyio_events_and_locks_work(start: Start) -> None:
    event, lock = anyio.Event(), anyio.Lock()

    async def child() -> None:
        async with lock:
            await event.wait()

    task = start(child())
    await settle()
    assert lock.locked()
    event.set()
    await task
    async with lock:
        await direct_wait()


@check
async def anyio_memory_streams_hand_over(start: Start) -> None:
    sender, receiver = anyio.create_memory_object_stream[int](0)

    async def produce() -> None:
        async with sender:
            for number in range(5):
                await sender.send(number)

    async with anyio.create_task_group() as group, receiver:
        group.start_soon(produce)
        assert [number async for number in receiver] == list(range(5))


@check
async def anyio_runs_functions_in_threads_and_calls_back_from_there(start: Start) -> None:
    ambient.set("mine")
    assert await anyio.to_thread.run_sync(ambient.get) == "mine"

    async def child() -> str:
        await direct_wait()
        return ambient.get()

    assert await anyio.to_thread.run_sync(anyio.from_thread.run, child) == "mine"


# aiohttp and httpx


async def answer(request: web.Request) -> web.Response:
    await direct_wait()
    return web.Response(text=f"{request.method} {request.path} {await request.text()}")


@contextlib.asynccontextmanager
async def http_server() -> AsyncIterator[str]:
    """The URL of a server whose /slow answers only when the server ends."""
    release = asyncio.Event()

    async def answer_slowly(_: web.Request) -> web.Response:
        await release.wait()
        return web.Response()

    application = web.Application()
    application.add_routes([web.get("/slow", answer_slowly), web.route("*", "/{path}", answer)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0]
        yield f"http://{host}:{port}"
    finally:
        release.set()
        await runner.cleanup()


@check
async def aiohttp_asks_and_answers(start: Start) -> None:
    async with http_server() as url, aiohttp.request("POST", f"{url}/echo", data="hello") as response:
        assert response.status == 200
        assert await response.text() == "POST /echo hello"


@check
async def aiohttp_asks_from_many_tasks(start: Start) -> None:
    async with http_server() as url, aiohttp.ClientSession() as session:

        async def ask(number: int) -> str:
            async with session.get(f"{url}/{number}") as response:
                return await response.text()

        answers = await asyncio.gather(*(start(ask(number)) for number in range(5)))
    assert answers == [f"GET /{number} " for number in range(5)]


@check
async def aiohttp_times_out(start: Start) -> None:
    limit = aiohttp.ClientTimeout(total=0.02)
    async with http_server() as url, aiohttp.ClientSession(timeout=limit) as session:
        with pytest.raises(TimeoutError):
            await session.get(f"{url}/slow")
    assert current().cancelling() == 0


@check
async def aiohttp_requests_can_be_cancelled(start: Start) -> None:
    async with http_server() as url, aiohttp.ClientSession() as session:

        async def ask() -> None:
            await session.get(f"{url}/slow")

        task = start(ask())
        await asyncio.sleep(0.01)
        task.cancel("enough")
        await asyncio.wait([task])
        assert task.cancelled()
        async with session.get(f"{url}/next") as response:
            assert response.status == 200


@check
async def aiohttp_carries_a_websocket(start: Start) -> None:
    async def converse(request: web.Request) -> web.WebSocketResponse:
        connection = web.WebSocketResponse()
        await connection.prepare(request)
        async for message in connection:
            await connection.send_str(message.data.upper())
        return connection

    application = web.Application()
    application.add_routes([web.get("/", converse)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    async with aiohttp.ClientSession() as session, session.ws_connect(f"http://{host}:{port}") as connection:
        await connection.send_str("hello")
        assert await connection.receive_str() == "HELLO"
    await runner.cleanup()


@check
async def httpx_asks_and_is_answered(start: Start) -> None:
    async with http_server() as url, httpx.AsyncClient(verify=False, trust_env=False) as client:
        response = await client.post(f"{url}/echo", content="hello")
        assert response.status_code == 200
        assert response.text == "POST /echo hello"


@check
async def httpx_asks_from_many_tasks(start: Start) -> None:
    async with http_server() as url, httpx.AsyncClient(verify=False, trust_env=False) as client:

        async def ask(number: int) -> str:
            return (await client.get(f"{url}/{number}")).text

        answers = await asyncio.gather(*(start(ask(number)) for number in range(5)))
    assert answers == [f"GET /{number} " for number in range(5)]


@check
async def httpx_times_out(start: Start) -> None:
    async with http_server() as url, httpx.AsyncClient(verify=False, trust_env=False) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.get(f"{url}/slow", timeout=httpx.Timeout(LATE, read=0.01))
    assert current().cancelling() == 0


@check
async def httpx_requests_can_be_cancelled(start: Start) -> None:
    async with http_server() as url, httpx.AsyncClient(verify=False, trust_env=False) as client:
        task = start(client.get(f"{url}/slow"))
        await asyncio.sleep(0.01)
        task.cancel("enough")
        await asyncio.wait([task])
        assert task.cancelled()
        assert (await client.get(f"{url}/next")).status_code == 200


# The same in the debug mode of asyncio, and what only the way of starting shows


@pytest.mark.parametrize("driver", DRIVERS.values(), ids=DRIVERS.keys())
@pytest.mark.parametrize("body", CHECKS.values(), ids=CHECKS.keys())
def test_the_task(driver: Driver, body: Check) -> None:
    run(driver, body)


IN_DEBUG_MODE = [
    the_current_task_is_this_one_from_the_first_step_on,
    its_stack_shows_where_it_waits,
    a_cancellation_keeps_its_message,
    a_timeout_ends_a_wait,
    a_failure_in_a_task_group_cancels_the_others_and_the_body,
    tasks_do_not_see_each_others_variables,
    streams_carry_lines_and_half_close,
    anyio_task_groups_cancel_the_others_when_one_fails,
]


@pytest.mark.parametrize("driver", DRIVERS.values(), ids=DRIVERS.keys())
@pytest.mark.parametrize("body", IN_DEBUG_MODE, ids=operator.attrgetter("__name__"))
def test_the_task_in_debug_mode(driver: Driver, body: Check) -> None:
    run(driver, body, debug=True)


def run_in_callback(callback: Callable[[asyncio.AbstractEventLoop], T]) -> T:
    """What a plain callback of a running loop returns, when all that it has started has come to rest."""
    with running_loop() as loop:
        returned: asyncio.Future[T] = loop.create_future()
        loop.call_soon(lambda: returned.set_result(callback(loop)))
        return loop.run_until_complete(returned)


def run_in_task(callback: Callable[[asyncio.AbstractEventLoop], T]) -> T:
    async def main() -> T:
        result = callback(asyncio.get_running_loop())
        await settle()
        return result

    return asyncio.run(main())


everywhere = pytest.mark.parametrize("run_there", [run_in_callback, run_in_task], ids=["in a callback", "in a task"])
RunThere = Callable[[Callable[[asyncio.AbstractEventLoop], T]], T]


@everywhere
def test_the_first_step_has_been_taken_when_an_eager_start_returns(run_there: RunThere[None]) -> None:
    events: list[object] = []

    async def child() -> None:
        events.append("first step")
        await asyncio.sleep(0)
        events.append("second step")

    def start(loop: asyncio.AbstractEventLoop) -> None:
        starter = asyncio.current_task()
        events.append("before")
        start_eagerly(loop, child(), context=contextvars.copy_context())
        events.append("after")
        assert asyncio.current_task() is starter

    run_there(start)
    assert events == ["before", "first step", "after", "second step"]


@everywhere
def test_a_coroutine_that_never_waits_is_done_when_an_eager_start_returns(run_there: RunThere[None]) -> None:
    async def child() -> int:
        return 7

    def start(loop: asyncio.AbstractEventLoop) -> None:
        task = start_eagerly(loop, child(), context=contextvars.copy_context())
        assert task.done()
        assert task.result() == 7

    run_there(start)


@everywhere
def test_a_first_step_that_fails_is_the_tasks_affair(run_there: RunThere[None]) -> None:
    async def child() -> None:
        raise Failure

    def start(loop: asyncio.AbstractEventLoop) -> None:
        task = start_eagerly(loop, child(), context=contextvars.copy_context())
        assert isinstance(task.exception(), Failure)

    run_there(start)


@everywhere
@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_a_first_step_that_stops_the_loop_raises_out_of_the_start(
    run_there: RunThere[None], error: type[BaseException]
) -> None:
    async def child() -> None:
        raise error

    def start(loop: asyncio.AbstractEventLoop) -> None:
        loop.set_exception_handler(lambda *_: None)  # nobody has the task, so nobody can retrieve its exception
        starter = asyncio.current_task()
        with pytest.raises(error):
            start_eagerly(loop, child(), context=contextvars.copy_context())
        assert asyncio.current_task() is starter

    run_there(start)


async def note_and_wait(events: list[str]) -> str:
    events.append("first step")
    await asyncio.sleep(0)
    events.append("second step")
    return "done"


def test_an_unstarted_task_begins_when_its_first_step_is_called() -> None:
    async def main() -> None:
        events: list[str] = []
        task, first_step = create_unstarted(
            asyncio.get_running_loop(), note_and_wait(events), name="later", context=contextvars.copy_context()
        )
        await settle()
        assert events == []
        assert task.get_name() == "later"
        assert task in asyncio.all_tasks()
        asyncio.get_running_loop().call_soon(first_step)
        assert await task == "done"

    asyncio.run(main())


def test_an_unstarted_task_that_was_cancelled_never_begins() -> None:
    async def main() -> None:
        events: list[str] = []
        task, first_step = create_unstarted(
            asyncio.get_running_loop(), note_and_wait(events), context=contextvars.copy_context()
        )
        task.cancel("not needed any more")
        await settle()
        assert not task.done()
        asyncio.get_running_loop().call_soon(first_step)
        with pytest.raises(asyncio.CancelledError, match="not needed any more"):
            await task
        assert events == []

    asyncio.run(main())


def test_only_the_first_step_is_taken_from_the_loop() -> None:
    """Building a task can run foreign code, such as a finaliser, and that may schedule callbacks and tasks itself."""
    events: list[str] = []

    class Name(str):
        __slots__ = ()

        def __str__(self) -> str:
            loop = asyncio.get_running_loop()
            loop.call_soon(events.append, "foreign callback")
            tasks.append(loop.create_task(note_and_wait(foreign_task_events)))
            start_eagerly(loop, note_and_wait(eager_task_events), context=contextvars.copy_context())
            return "named"

    tasks: list[asyncio.Task[str]] = []
    foreign_task_events: list[str] = []
    eager_task_events: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        task, first_step = create_unstarted(
            loop, note_and_wait(events), name=Name("unnamed"), context=contextvars.copy_context()
        )
        assert task.get_name() == "named"
        assert eager_task_events == ["first step"]
        await settle()
        assert events == ["foreign callback"]
        assert foreign_task_events == eager_task_events == ["first step", "second step"]
        loop.call_soon(first_step)
        assert await task == "done"

    asyncio.run(main())


def test_what_is_not_a_coroutine_is_refused_and_the_loop_schedules_as_before() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with pytest.raises(TypeError, match="coroutine was expected"):
            create_unstarted(loop, "not a coroutine", context=contextvars.copy_context())  # type: ignore[arg-type]
        events: list[str] = []
        loop.call_soon(events.append, "called")
        await settle()
        assert events == ["called"]

    asyncio.run(main())


def test_an_eager_task_that_failed_is_freed_without_the_garbage_collector() -> None:
    async def child() -> None:
        raise Failure

    def start(loop: asyncio.AbstractEventLoop) -> weakref.ref[BaseException]:
        error = start_eagerly(loop, child(), context=contextvars.copy_context()).exception()
        assert error is not None
        try:
            return weakref.ref(error)
        finally:
            del error

    gc.collect()
    gc.disable()
    try:
        assert run_in_callback(start)() is None
    finally:
        gc.enable()
