"""Starting a task eagerly or later: what only the way of starting shows."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import weakref
from collections.abc import Callable

import pytest

from skypy.worker.tasks.eager import start_eagerly
from skypy.worker.tasks.first_step import create_unstarted
from tests.interpreter import frees_failed_tasks
from tests.worker.compatibility.checks import Failure, T, running_loop, settle


def run_in_callback(callback: Callable[[asyncio.AbstractEventLoop], T]) -> T:
    """Return the result of a plain callback of a running loop, once everything that it has started has come to rest."""
    with running_loop() as loop:
        returned: asyncio.Future[T] = loop.create_future()
        loop.call_soon(lambda: returned.set_result(callback(loop)))
        return loop.run_until_complete(returned)


def run_in_task(callback: Callable[[asyncio.AbstractEventLoop], T]) -> T:
    async def main() -> T:
        result = callback(asyncio.get_running_loop())
        await settle()
        return result

    with running_loop() as loop:
        return loop.run_until_complete(main())


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
def test_a_first_step_that_stops_the_loop_raises_out_of_the_start_and_nothing_else_is_heard_of_it(
    run_there: RunThere[None], error: type[BaseException]
) -> None:
    async def child() -> None:
        raise error

    def start(loop: asyncio.AbstractEventLoop) -> None:
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


def test_an_object_that_is_no_coroutine_is_refused_and_the_loop_schedules_as_before() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with pytest.raises(TypeError, match="coroutine was expected"):
            create_unstarted(loop, "not a coroutine", context=contextvars.copy_context())  # type: ignore[arg-type]
        events: list[str] = []
        loop.call_soon(events.append, "called")
        await settle()
        assert events == ["called"]

    asyncio.run(main())


@frees_failed_tasks
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
