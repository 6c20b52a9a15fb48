"""The assumptions of this folder about the interpreter and the insides of asyncio, tried before anything needs them.

None of them is promised by Python's documentation; all hold for CPython 3.11 to 3.15. A version that breaks one would
otherwise show it as a wrong answer in the middle of a service, or as a crash.
"""

from __future__ import annotations

import asyncio
import platform
import sys
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import Any, Final, NoReturn, TypeVar

from skypy.worker.tasks.abandoned_loop import abandon_loop
from skypy.worker.tasks.current_task import current_task, enter_task, leave_task
from skypy.worker.tasks.eager import outcome_of, start_eagerly
from skypy.worker.tasks.first_step import create_unstarted
from skypy.worker.tasks.waiter import Waiter, resume

T = TypeVar("T")


class UnsupportedInterpreter(RuntimeError):
    """skypy cannot run on this interpreter; the text says why."""


def check_interpreter() -> None:
    """Raise UnsupportedInterpreter if skypy cannot run here. No event loop may be running in this thread."""
    name = f"{platform.python_implementation()} {platform.python_version()}"
    if "t" in sys.abiflags:
        raise UnsupportedInterpreter(
            f"{name} was built without the global interpreter lock (free-threading): skypy needs the default build"
        )
    loop = asyncio.new_event_loop()
    try:
        for ability, holds in _ASSUMPTIONS.items():
            try:
                answer = loop.run_until_complete(_in_callback(loop, holds))
            except Exception as error:
                raise UnsupportedInterpreter(f"{name} is not supported: its asyncio cannot {ability}") from error
            if not answer:
                raise UnsupportedInterpreter(f"{name} is not supported: its asyncio cannot {ability}")
    finally:
        loop.close()


def _in_callback(
    loop: asyncio.AbstractEventLoop, holds: Callable[[asyncio.AbstractEventLoop], bool]
) -> asyncio.Future[bool]:
    """Try an assumption as the scheduler would rely on it: in a callback of the loop, where no task is running."""
    answer: asyncio.Future[bool] = loop.create_future()

    def call() -> None:
        try:
            answer.set_result(holds(loop))
        except Exception as error:
            answer.set_exception(error)

    loop.call_soon(call)
    return answer


def _start(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    return start_eagerly(loop, coroutine, name="a trial", context=copy_context())


def _takes_the_first_step_at_once(loop: asyncio.AbstractEventLoop) -> bool:
    async def body() -> int:
        return 7

    return outcome_of(_start(loop, body())) == (7, None)


def _knows_the_task_in_its_first_step(loop: asyncio.AbstractEventLoop) -> bool:
    async def body() -> bool:
        task = asyncio.current_task()
        assert task is not None
        known = task in asyncio.all_tasks() and asyncio.Task.get_name(task) == "a trial"
        return known and asyncio.iscoroutine(asyncio.Task.get_coro(task))

    return outcome_of(_start(loop, body())) == (True, None) and current_task(loop) is None


def _raises_exits_in_the_first_step(loop: asyncio.AbstractEventLoop) -> bool:
    complaints: list[object] = []

    async def body() -> None:
        raise SystemExit

    loop.set_exception_handler(lambda _, complaint: complaints.append(complaint))
    try:
        _start(loop, body())
    except SystemExit:
        return not complaints
    finally:
        loop.set_exception_handler(None)
    return False


def _resumes_a_task_directly(loop: asyncio.AbstractEventLoop) -> bool:
    async def body() -> int:
        return await future

    future: asyncio.Future[int] = loop.create_future()
    task = _start(loop, body())
    resume(future, 7)
    return outcome_of(task) == (7, None)


def _waits_for_another_kind_of_future(loop: asyncio.AbstractEventLoop) -> bool:
    async def body() -> int:
        return await waiters[0] + await waiters[1]

    waiters = [Waiter[int](loop), Waiter[int](loop)]
    task = _start(loop, body())
    waiters[0].set_result(3)
    waiters[1].set_result(4)
    return outcome_of(task) == (7, None)


def _cancels_another_kind_of_future(loop: asyncio.AbstractEventLoop) -> bool:
    async def body() -> None:
        await waiter

    waiter = Waiter[None](loop)
    return _start(loop, body()).cancel() and waiter.done()


def _leaves_the_first_step_to_others(loop: asyncio.AbstractEventLoop) -> bool:
    async def body() -> int:
        return 7

    task, first_step = create_unstarted(loop, body(), context=copy_context())
    begun = task.done()
    first_step()
    return not begun and task.done() and task.result() == 7


def _lets_a_task_be_set_aside(loop: asyncio.AbstractEventLoop) -> bool:
    outer_task: asyncio.Task[Any] | None = None

    async def inner() -> bool:
        return current_task(loop) is asyncio.current_task() is not outer_task

    async def outer() -> bool:
        nonlocal outer_task
        outer_task = current_task(loop)
        assert outer_task is not None
        leave_task(loop, outer_task)
        alone = current_task(loop) is None
        seen = outcome_of(_start(loop, inner()))
        enter_task(loop, outer_task)
        return alone and seen == (True, None) and current_task(loop) is outer_task

    return outcome_of(_start(loop, outer())) == (True, None)


def _gives_up_a_loop(loop: asyncio.AbstractEventLoop) -> bool:
    del loop  # a loop cannot be used behind this
    ends: list[str] = []

    def end(error: BaseException | None) -> NoReturn:
        ends.append("end")
        raise SystemExit(error)  # which callbacks let through

    other: Any = asyncio.SelectorEventLoop()
    other.call_soon(ends.append, "callback")
    other.call_later(0, ends.append, "timer")
    abandon_loop(other, end)
    for _ in range(2):  # at first where the loop waits, and then where it would call what is ready
        try:
            other._run_once()  # noqa: SLF001
        except SystemExit:
            other._selector.select = lambda timeout=None: []  # noqa: SLF001
    other._closed = True  # noqa: SLF001
    return ends == ["end"] * 2


_ASSUMPTIONS: Final[dict[str, Callable[[asyncio.AbstractEventLoop], bool]]] = {
    "take the first step of a task at once": _takes_the_first_step_at_once,
    "tell the running task in its first step": _knows_the_task_in_its_first_step,
    "raise SystemExit out of the first step of a task": _raises_exits_in_the_first_step,
    "resume a task without its loop": _resumes_a_task_directly,
    "wait for a future of another class": _waits_for_another_kind_of_future,
    "cancel the wait for a future of another class": _cancels_another_kind_of_future,
    "leave the first step of a task to others": _leaves_the_first_step_to_others,
    "set the running task aside": _lets_a_task_be_set_aside,
    "give up a loop after a fork": _gives_up_a_loop,
}
