"""A Future that is resumed directly: its task goes on at once, as with a Waiter, and nothing is left behind."""

from __future__ import annotations

import asyncio
import contextvars
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from skypy.worker.tasks.waiter import Resumption, resume, resume_with
from tests.interpreter import frees_failed_tasks
from tests.worker.steps import Failure, run_callback, run_iterations, start

Future = asyncio.Future[Any]


def give(future: Future) -> None:
    resume(future, "value")


def fail(future: Future) -> None:
    resume_with(future, Failure())


both_ends = pytest.mark.parametrize("end", [give, fail])


async def wait_and_tell(future: Future, events: list[str]) -> None:
    """Drops its reference to the Future, as every wait on one should."""
    try:
        events.append(await future)
    except Failure:
        events.append("failure")
    finally:
        del future


# The direct wake-up


def test_the_task_has_run_to_its_next_await_when_resume_returns(loop: asyncio.AbstractEventLoop) -> None:
    first, second = loop.create_future(), loop.create_future()
    events: list[str] = []

    async def body() -> None:
        events.append(await first)
        events.append(await second)

    task = start(loop, body())

    def wake() -> None:
        resume(first, "first came")
        events.append("first is resumed")
        resume(second, "second came")
        events.append("both are resumed")

    run_callback(loop, wake)
    assert events == ["first came", "first is resumed", "second came", "both are resumed"]
    assert task.done()


def test_an_exception_resumes_the_task_at_once_as_well(loop: asyncio.AbstractEventLoop) -> None:
    future = loop.create_future()
    events: list[str] = []
    task = start(loop, wait_and_tell(future, events))

    def wake() -> None:
        resume_with(future, Failure())
        events.append("resumed")

    run_callback(loop, wake)
    assert events == ["failure", "resumed"]
    assert task.done()


def test_the_task_goes_on_in_its_own_context(loop: asyncio.AbstractEventLoop) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="of the waker")
    future = loop.create_future()

    async def body() -> str:
        variable.set("of the task")
        await future
        return variable.get()

    task = start(loop, body())
    run_callback(loop, lambda: resume(future, None))
    assert task.result() == "of the task"
    assert variable.get() == "of the waker"


# By way of the loop


@both_ends
def test_a_running_task_that_resumes_another_goes_on_first(
    loop: asyncio.AbstractEventLoop, end: Callable[[Future], None]
) -> None:
    future = loop.create_future()
    events: list[str] = []
    task = start(loop, wait_and_tell(future, events))

    async def wake() -> None:
        end(future)
        events.append("the waker goes on")

    start(loop, wake())
    assert events[0] == "the waker goes on"
    run_iterations(loop)
    assert len(events) == 2
    assert task.done()


@both_ends
def test_two_tasks_that_wait_for_one_future_are_both_woken(
    loop: asyncio.AbstractEventLoop, end: Callable[[Future], None]
) -> None:
    future = loop.create_future()
    events: list[str] = []
    tasks = [start(loop, wait_and_tell(future, events)) for _ in range(2)]
    run_callback(loop, lambda: end(future))
    run_iterations(loop)
    assert [task.done() for task in tasks] == [True, True]
    assert len(events) == 2


def test_a_result_before_the_wait_is_taken_without_waiting(loop: asyncio.AbstractEventLoop) -> None:
    future = loop.create_future()
    resume(future, "value")
    events: list[str] = []
    assert start(loop, wait_and_tell(future, events)).done()
    assert events == ["value"]


# The end of a wait


@both_ends
def test_a_wait_ends_only_once(loop: asyncio.AbstractEventLoop, end: Callable[[Future], None]) -> None:
    future = loop.create_future()
    resume(future, "value")
    with pytest.raises(asyncio.InvalidStateError):
        end(future)


@both_ends
def test_a_task_cancelled_between_wake_up_and_step_is_cancelled(
    loop: asyncio.AbstractEventLoop, end: Callable[[Future], None]
) -> None:
    future = loop.create_future()
    task = start(loop, wait_and_tell(future, []))

    async def wake_and_cancel() -> None:
        end(future)
        task.cancel()

    start(loop, wake_and_cancel())
    run_iterations(loop)
    assert task.cancelled()


def test_the_scheduler_sees_that_a_wait_was_cancelled(loop: asyncio.AbstractEventLoop) -> None:
    future = loop.create_future()
    resumption = Resumption(future)
    assert not resumption.done()
    task = start(loop, wait_and_tell(future, []))
    task.cancel()
    assert resumption.done()
    run_iterations(loop)


def test_the_scheduler_resumes_it_at_once(loop: asyncio.AbstractEventLoop) -> None:
    future = loop.create_future()
    events: list[str] = []
    start(loop, wait_and_tell(future, events))

    def wake() -> None:
        Resumption(future).set_result("value")
        events.append("resumed")

    run_callback(loop, wake)
    assert events == ["value", "resumed"]


# Nothing is left behind


@pytest.mark.usefixtures("no_garbage_collector")
@pytest.mark.parametrize("end", [give, pytest.param(fail, marks=frees_failed_tasks)])
def test_task_and_future_are_freed_without_the_garbage_collector(
    loop: asyncio.AbstractEventLoop, end: Callable[[Future], None]
) -> None:
    future = loop.create_future()
    task = start(loop, wait_and_tell(future, []))
    run_callback(loop, partial(end, future))
    assert task.done()
    task_remains, future_remains = weakref.ref(task), weakref.ref(future)
    del task, future
    run_iterations(loop)
    assert task_remains() is None
    assert future_remains() is None


@frees_failed_tasks
@pytest.mark.usefixtures("no_garbage_collector")
def test_an_exception_that_ends_the_task_is_freed_with_it(loop: asyncio.AbstractEventLoop) -> None:
    future = loop.create_future()

    async def body(future: Future) -> None:
        try:
            await future
        finally:
            del future

    task = start(loop, body(future))
    run_callback(loop, partial(fail, future))
    task_remains, exception_remains = weakref.ref(task), weakref.ref(task.exception() or Failure())
    del task, future
    run_iterations(loop)
    assert task_remains() is None
    assert exception_remains() is None
