"""Which task runs, what it shows of itself, and its done callbacks."""

from __future__ import annotations

import asyncio
import contextvars
import io
import sys
import weakref
from typing import Any

import pytest

from tests.worker.compatibility.checks import (
    SOON,
    Check,
    Checks,
    Driver,
    Failure,
    Start,
    ambient,
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


# Who am I


@check.in_debug_mode_as_well
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


@check.in_debug_mode_as_well
async def its_stack_shows_where_it_waits(start: Start) -> None:
    task = start(for_ever())
    await settle()
    assert len(task.get_stack()) == 1
    output = io.StringIO()
    task.print_stack(file=output)
    assert output.getvalue().startswith("Stack for <Task pending")
    assert "checks.py" in output.getvalue()
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
async def the_methods_of_its_class_know_it_from_the_first_step_on(start: Start) -> None:
    async def child() -> None:
        assert asyncio.iscoroutine(asyncio.Task.get_coro(current()))
        assert asyncio.Task.get_loop(current()) is asyncio.get_running_loop()
        assert asyncio.Task.get_name(current()) == "by its class"
        assert not asyncio.Task.done(current())
        assert asyncio.Task.cancelling(current()) == 0
        asyncio.Task.add_done_callback(current(), calls.append)
        with pytest.raises(asyncio.InvalidStateError):
            asyncio.Task.result(current())

    calls: list[object] = []
    task = start(child(), name="by its class")
    await task
    await settle()
    assert calls == [task]


@check
async def the_methods_of_its_class_cancel_it_in_the_first_step(start: Start) -> None:
    async def child() -> None:
        asyncio.Task.cancel(current(), "enough")
        await direct_wait()

    task = start(child())
    with pytest.raises(asyncio.CancelledError, match="enough"):
        await task


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


@every_driver
@check.each
def test_the_task(driver: Driver, body: Check, debug: bool) -> None:
    run(driver, body, debug=debug)
