"""The ends of a task, and its cancellation."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import traceback
from asyncio.futures import _PyFuture  # type: ignore[attr-defined]
from collections.abc import Awaitable, Generator, Iterator
from typing import Any

import pytest

from skypy.worker.tasks.waiter import Waiter
from tests.worker.compatibility.checks import (
    Check,
    Checks,
    Driver,
    Failure,
    Start,
    current,
    direct_wait,
    every_driver,
    fail,
    for_ever,
    run,
    settle,
    wait_for_ever,
)

check = Checks()


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


class OnceOnly:
    """A future that takes any resumption of its waiter for the end of the wait, as asyncio's own one in Python does."""

    def __init__(self, future: asyncio.Future[str]) -> None:
        self.future = future

    def __await__(self) -> Generator[asyncio.Future[str], None, str]:
        self.future._asyncio_future_blocking = True
        yield self.future
        return self.future.result()


def once_only() -> asyncio.Future[str]:
    future: asyncio.Future[str] = _PyFuture(loop=asyncio.get_running_loop())
    return future


@check
async def a_future_that_may_be_resumed_once_only_is_waited_for(start: Start) -> None:
    loop = asyncio.get_running_loop()

    async def child(awaited: Any, future: asyncio.Future[str], *, looked_at: bool) -> Any:
        if looked_at:
            current()
        loop.call_soon(loop.call_soon, future.set_result, "value")
        return await awaited

    for looked_at in (False, True):
        future = once_only()
        assert await start(child(future, future, looked_at=looked_at)) == "value"
        future = loop.create_future()
        assert await start(child(OnceOnly(future), future, looked_at=looked_at)) == "value"


@check
async def the_wait_for_a_future_that_may_be_resumed_once_only_fails_or_is_cancelled(start: Start) -> None:
    async def child(future: asyncio.Future[str]) -> str:
        return await future

    future = once_only()
    task = start(child(future))
    await settle()
    future.set_exception(Failure("no luck"))
    with pytest.raises(Failure, match="no luck"):
        await task
    future = once_only()
    task = start(child(future))
    await settle()
    task.cancel("enough")
    with pytest.raises(asyncio.CancelledError, match="enough"):
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


async def note_the_cancellation(wait: Awaitable[None], messages: list[str]) -> None:
    """Wait; add the message of a cancellation, which goes on."""
    try:
        await wait
    except asyncio.CancelledError as error:
        messages.extend(error.args)
        raise


@check
async def it_can_cancel_itself(start: Start) -> None:
    assert current().cancel("I give up")
    with pytest.raises(asyncio.CancelledError, match="I give up"):
        await direct_wait()
    assert current().uncancel() == 0


@check.in_debug_mode_as_well
async def a_cancellation_keeps_its_message(start: Start) -> None:
    messages: list[str] = []
    task = start(note_the_cancellation(for_ever(), messages))
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
    task = start(note_the_cancellation(wait_for_ever(), messages))
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


@every_driver
@check.each
def test_the_task(driver: Driver, body: Check, debug: bool) -> None:
    run(driver, body, debug=debug)
