"""A Waiter resumes its task at once, loses nothing and leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import weakref
from asyncio.tasks import _PyTask  # type: ignore[attr-defined]
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import pytest

from skypy.worker.tasks.eager import start_eagerly
from skypy.worker.tasks.waiter import Waiter
from tests.worker.steps import Failure, run_callback, run_iterations, start

T = TypeVar("T")


async def wait_on(waiter: Waiter[T]) -> T:
    return await waiter


def fail(waiter: Waiter[Any]) -> None:
    waiter.set_exception(Failure())


class Mailbox:
    """A wait as skypy makes them: the condition is checked again after every wake-up."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.items: deque[str] = deque()
        self._waiter: Waiter[None] | None = None

    def put(self, item: str) -> None:
        self.items.append(item)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def get(self) -> str:
        while not self.items:
            self._waiter = Waiter(self._loop)
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self.items.popleft()


# The direct wake-up


def test_the_task_has_run_to_its_next_await_when_set_result_returns(loop: asyncio.AbstractEventLoop) -> None:
    first, second = Waiter[str](loop), Waiter[str](loop)
    events: list[str] = []

    async def body() -> None:
        events.append(await first)
        events.append(await second)

    task = start(loop, body())

    def wake() -> None:
        events.append("wake first")
        first.set_result("first came")
        events.append("wake second")
        second.set_result("second came")
        events.append("both are woken")

    run_callback(loop, wake)
    assert events == ["wake first", "first came", "wake second", "second came", "both are woken"]
    assert task.done()


def test_an_exception_resumes_the_task_directly_as_well(loop: asyncio.AbstractEventLoop) -> None:
    waiter = Waiter[None](loop)
    task = start(loop, wait_on(waiter))
    run_callback(loop, lambda: waiter.set_exception(Failure("no luck")))
    assert task.done()
    with pytest.raises(Failure, match="no luck"):
        task.result()


def test_a_task_that_wakes_another_one_keeps_running_first(loop: asyncio.AbstractEventLoop) -> None:
    waiter = Waiter[str](loop)
    events: list[str] = []

    async def sleeper() -> None:
        events.append(await waiter)

    async def waker() -> None:
        waiter.set_result("woken")
        events.append("the waker goes on")
        await asyncio.sleep(0)
        events.append("the waker is back")

    sleeping = start(loop, sleeper())
    waking = start(loop, waker())
    run_iterations(loop)
    assert events == ["the waker goes on", "woken", "the waker is back"]
    assert sleeping.done()
    assert waking.done()


def test_a_waker_that_was_itself_resumed_directly_is_not_interrupted(loop: asyncio.AbstractEventLoop) -> None:
    first, second = Waiter[None](loop), Waiter[None](loop)
    events: list[str] = []

    async def sleeper() -> None:
        await second
        events.append("second woken")

    async def waker() -> None:
        await first
        second.set_result(None)
        events.append("first goes on")

    start(loop, sleeper())
    start(loop, waker())
    run_callback(loop, lambda: first.set_result(None))
    run_iterations(loop)
    assert events == ["first goes on", "second woken"]


def test_a_waker_in_its_first_eager_step_is_not_interrupted(loop: asyncio.AbstractEventLoop) -> None:
    waiter = Waiter[None](loop)
    events: list[str] = []

    async def sleeper() -> None:
        await waiter
        events.append("woken")

    async def waker() -> None:
        waiter.set_result(None)
        events.append("the waker goes on")

    async def parent() -> None:
        start_eagerly(loop, waker(), context=contextvars.copy_context())
        events.append("the parent goes on")

    start(loop, sleeper())
    start(loop, parent())
    run_iterations(loop)
    assert events == ["the waker goes on", "the parent goes on", "woken"]


def test_the_task_is_resumed_in_its_own_context(loop: asyncio.AbstractEventLoop) -> None:
    variable = contextvars.ContextVar("variable", default="outside")
    waiters = [Waiter[None](loop), Waiter[None](loop)]
    seen: list[str] = []

    async def body() -> None:
        variable.set("inside")
        for waiter in waiters:
            await waiter
            seen.append(variable.get())

    async def wake_from_a_task() -> None:
        waiters[1].set_result(None)

    start(loop, body())
    run_callback(loop, lambda: waiters[0].set_result(None))
    start(loop, wake_from_a_task())
    run_iterations(loop)
    assert seen == ["inside", "inside"]


def test_the_resumed_task_is_the_current_one_and_nobody_is_afterwards(loop: asyncio.AbstractEventLoop) -> None:
    waiter = Waiter[None](loop)

    async def body() -> asyncio.Task[Any] | None:
        await waiter
        return asyncio.current_task()

    task = start(loop, body())

    def wake() -> asyncio.Task[Any] | None:
        waiter.set_result(None)
        return asyncio.current_task()

    assert run_callback(loop, wake) is None
    assert task.result() is task


def test_a_value_that_is_there_already_is_taken_without_waiting(loop: asyncio.AbstractEventLoop) -> None:
    waiter = Waiter[int](loop)
    waiter.set_result(7)
    task = start(loop, wait_on(waiter))
    assert task.done()
    assert task.result() == 7


def test_an_exception_that_is_there_already_is_raised_without_waiting(loop: asyncio.AbstractEventLoop) -> None:
    waiter = Waiter[int](loop)
    waiter.set_exception(Failure("early"))
    task = start(loop, wait_on(waiter))
    with pytest.raises(Failure, match="early"):
        task.result()


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_an_exception_that_stops_the_loop_comes_out_of_the_wake_up(
    loop: asyncio.AbstractEventLoop, error: type[BaseException]
) -> None:
    waiter = Waiter[None](loop)

    async def body() -> None:
        await waiter
        raise error

    task = start(loop, body())

    def wake() -> None:
        with pytest.raises(error):
            waiter.set_result(None)

    run_callback(loop, wake)
    assert isinstance(task.exception(), error)


def test_a_task_written_in_python_waits_on_it_as_the_one_in_c_does(loop: asyncio.AbstractEventLoop) -> None:
    waiter = Waiter[str](loop)
    task: asyncio.Task[str] = _PyTask(wait_on(waiter), loop=loop)
    run_iterations(loop)
    run_callback(loop, lambda: waiter.set_result("came"))
    assert task.result() == "came"


# One wait, one task


def test_the_states_of_a_wait(loop: asyncio.AbstractEventLoop) -> None:
    waiter = Waiter[int](loop)
    assert asyncio.isfuture(waiter)
    assert waiter.get_loop() is loop
    assert not waiter.done()
    assert repr(waiter) == "<Waiter pending>"
    with pytest.raises(asyncio.InvalidStateError):
        waiter.result()
    waiter.set_result(7)
    assert waiter.done()
    assert repr(waiter) == "<Waiter done>"
    assert waiter.result() == 7


def test_a_second_task_is_refused_and_the_first_one_still_wakes(loop: asyncio.AbstractEventLoop) -> None:
    waiter = Waiter[str](loop)
    first, second = start(loop, wait_on(waiter)), start(loop, wait_on(waiter))
    with pytest.raises(RuntimeError, match="another task"):
        second.result()
    run_callback(loop, lambda: waiter.set_result("came"))
    assert first.result() == "came"


def test_a_task_of_another_loop_is_refused(loop: asyncio.AbstractEventLoop) -> None:
    other = asyncio.new_event_loop()
    other.close()
    task = start(loop, wait_on(Waiter[None](other)))
    run_iterations(loop)
    with pytest.raises(RuntimeError, match="different loop"):
        task.result()


@pytest.mark.parametrize("end", [lambda w: w.set_result(1), lambda w: w.set_exception(Failure()), Waiter.cancel])
def test_a_wait_ends_only_once(loop: asyncio.AbstractEventLoop, end: Callable[[Waiter[int]], object]) -> None:
    waiter = Waiter[int](loop)
    end(waiter)
    with pytest.raises(asyncio.InvalidStateError):
        waiter.set_result(2)
    with pytest.raises(asyncio.InvalidStateError):
        waiter.set_exception(Failure())
    assert not waiter.cancel()


def test_an_exception_is_taken_only_once(loop: asyncio.AbstractEventLoop) -> None:
    waiter = Waiter[int](loop)
    waiter.set_exception(Failure())
    with pytest.raises(Failure):
        waiter.result()
    with pytest.raises(asyncio.InvalidStateError):
        waiter.result()


# Cancelling


def test_cancel_goes_by_way_of_the_loop(loop: asyncio.AbstractEventLoop) -> None:
    waiter = Waiter[None](loop)
    task = start(loop, wait_on(waiter))

    def cancel() -> tuple[bool, bool]:
        return waiter.cancel(), task.done()

    assert run_callback(loop, cancel) == (True, False)
    run_iterations(loop)
    assert task.cancelled()


def test_cancelling_the_task_ends_its_wait_and_keeps_the_message(loop: asyncio.AbstractEventLoop) -> None:
    waiter = Waiter[None](loop)
    messages: list[str] = []

    async def body() -> None:
        try:
            await waiter
        except asyncio.CancelledError as error:
            messages.extend(error.args)
            raise

    task = start(loop, body())
    task.cancel("enough")
    run_iterations(loop)
    assert task.cancelled()
    assert waiter.done()
    assert messages == ["enough"]


def test_a_task_may_swallow_the_cancellation_and_wait_anew(loop: asyncio.AbstractEventLoop) -> None:
    waiters = [Waiter[str](loop), Waiter[str](loop)]

    async def body() -> str:
        with pytest.raises(asyncio.CancelledError):
            await waiters[0]
        return await waiters[1]

    task = start(loop, body())
    task.cancel()
    run_iterations(loop)
    assert not task.done()
    run_callback(loop, lambda: waiters[1].set_result("after all"))
    assert task.result() == "after all"


def test_a_wait_that_was_cancelled_before_it_began_raises_at_once(loop: asyncio.AbstractEventLoop) -> None:
    waiter = Waiter[None](loop)
    assert waiter.cancel("too late")
    task = start(loop, wait_on(waiter))
    assert task.cancelled()


def test_a_task_cancelled_between_wake_up_and_step_loses_nothing(loop: asyncio.AbstractEventLoop) -> None:
    mailbox = Mailbox(loop)
    task = start(loop, mailbox.get())

    async def put_and_cancel() -> None:
        mailbox.put("letter")
        task.cancel("changed my mind")

    start(loop, put_and_cancel())
    run_iterations(loop)
    assert task.cancelled()
    assert start(loop, mailbox.get()).result() == "letter"


def test_a_result_between_cancel_and_step_is_not_lost_either(loop: asyncio.AbstractEventLoop) -> None:
    mailbox = Mailbox(loop)
    task = start(loop, mailbox.get())

    def cancel_and_put() -> None:
        task.cancel()
        mailbox.put("letter")

    run_callback(loop, cancel_and_put)
    run_iterations(loop)
    assert task.cancelled()
    assert list(mailbox.items) == ["letter"]


# Inside of a coroutine function it works with everything


def test_gather_collects_waits(loop: asyncio.AbstractEventLoop) -> None:
    mailboxes = [Mailbox(loop) for _ in range(3)]

    async def body() -> list[str]:
        return await asyncio.gather(*(mailbox.get() for mailbox in mailboxes))

    def deliver() -> None:
        for number, mailbox in enumerate(mailboxes):
            mailbox.put(f"letter {number}")

    task = start(loop, body())
    run_iterations(loop)
    run_callback(loop, deliver)
    assert loop.run_until_complete(task) == ["letter 0", "letter 1", "letter 2"]


def test_a_group_of_tasks_waits_for_its_waits(loop: asyncio.AbstractEventLoop) -> None:
    mailbox = Mailbox(loop)

    async def body() -> str:
        async with asyncio.TaskGroup() as group:
            child = group.create_task(mailbox.get())
        return child.result()

    task = start(loop, body())
    run_iterations(loop)
    run_callback(loop, lambda: mailbox.put("letter"))
    assert loop.run_until_complete(task) == "letter"


def test_wait_for_gives_the_value_or_times_out_and_the_next_wait_is_unharmed(loop: asyncio.AbstractEventLoop) -> None:
    mailbox = Mailbox(loop)

    async def body() -> list[str]:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(mailbox.get(), 0.001)
        loop.call_soon(mailbox.put, "first")
        loop.call_soon(mailbox.put, "second")
        return [await asyncio.wait_for(mailbox.get(), 10), await mailbox.get()]

    assert loop.run_until_complete(start(loop, body())) == ["first", "second"]


def test_a_time_limit_ends_a_wait(loop: asyncio.AbstractEventLoop) -> None:
    async def body() -> None:
        async with asyncio.timeout(0.001):
            await Waiter[None](loop)

    with pytest.raises(TimeoutError):
        loop.run_until_complete(start(loop, body()))


# Nothing is left behind


def test_an_exception_that_nobody_waits_for_makes_no_noise(loop: asyncio.AbstractEventLoop) -> None:
    waiter = Waiter[None](loop)
    waiter.set_exception(Failure())
    del waiter
    gc.collect()


def test_an_exception_for_a_task_that_was_cancelled_meanwhile_makes_no_noise(loop: asyncio.AbstractEventLoop) -> None:
    waiter = Waiter[None](loop)
    task = start(loop, wait_on(waiter))

    async def fail_and_cancel() -> None:
        waiter.set_exception(Failure())
        task.cancel()

    start(loop, fail_and_cancel())
    run_iterations(loop)
    assert task.cancelled()


@pytest.mark.usefixtures("no_garbage_collector")
def test_task_and_exception_are_freed_without_the_garbage_collector(loop: asyncio.AbstractEventLoop) -> None:
    waiter = Waiter[None](loop)
    task = start(loop, wait_on(waiter))
    run_callback(loop, partial(fail, waiter))
    task_remains, exception_remains = weakref.ref(task), weakref.ref(task.exception() or Failure())
    run_iterations(loop)
    del task, waiter
    assert task_remains() is None
    assert exception_remains() is None


@pytest.mark.usefixtures("no_garbage_collector")
def test_a_cancelled_task_is_freed_without_the_garbage_collector(loop: asyncio.AbstractEventLoop) -> None:
    waiter = Waiter[None](loop)
    task = start(loop, wait_on(waiter))
    task.cancel()
    run_iterations(loop)
    assert task.cancelled()
    remains = weakref.ref(task)
    del task
    assert remains() is None
    assert waiter.done()
