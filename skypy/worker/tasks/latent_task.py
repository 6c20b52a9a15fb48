"""The task of a first step, which is made in full only when somebody looks at it (Python 3.11).

Most handlers never wait, and to build an `asyncio.Task` costs more than all the rest of such a call: a step is
scheduled, the task joins a WeakSet. But `asyncio.current_task()` has to be a real Task from a coroutine's first line
on. So the first step is taken with a LatentTask as the current one: an `asyncio.Task` whose initialiser has not run.
Whoever asks it for anything (`asyncio.timeout` does, and a TaskGroup) makes it run by that; so does the first wait.
From then on it is a Task as any other. If neither comes, it is dropped when the coroutine has ended.

From Python 3.12 on a Task takes its first step at once by itself, at less cost.
"""

from __future__ import annotations

import asyncio
from asyncio import Future
from asyncio.tasks import _all_tasks, _current_tasks  # type: ignore[attr-defined]
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from functools import partial
from types import TracebackType
from typing import Any, Final, TypeVar

from skypy.worker.tasks.first_step import capture_first_step

T = TypeVar("T")


class Task(asyncio.Task[Any]):
    """What a LatentTask becomes: a task in full, which the standard class is no layout for."""

    __slots__ = ("birth", "outcome", "step")

    birth: tuple[asyncio.AbstractEventLoop, Coroutine[Any, Any, Any], str | None, Context]
    """What its initialiser will be told."""
    outcome: tuple[Any, BaseException | None]
    """Result and exception, once the first step was the last one."""
    step: Callable[[], object]
    """Goes on with the coroutine. The Task means it for the first step, here it is the second."""


class LatentTask(Task):
    """Nobody has looked at it."""

    __slots__ = ()

    def __getattribute__(self, name: str) -> Any:
        _become_real(self)
        return getattr(self, name)

    def __await__(self) -> Generator[Any, None, Any]:
        _become_real(self)
        return self.__await__()

    __iter__ = __await__  # as the class in C has it


_new: Final = LatentTask.__new__
_birth: Final = Task.__dict__["birth"].__get__  # `task.birth` would be a look
first_outcome: Final = Task.__dict__["outcome"].__get__
"""Of a LatentTask: result and exception."""


def start_eagerly(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T], *, name: str | None = None, context: Context
) -> asyncio.Task[T]:
    """A new Task that has run up to its first await, or to its end, when this returns.

    The loop must be running; the caller may be a task itself. The caller must not be inside of `context`, which cannot
    be entered twice: give it a copy. SystemExit and KeyboardInterrupt in the first step are raised here.
    """
    task: Task = _new(LatentTask)
    task.birth = (loop, coroutine, name, context)
    caller = _current_tasks.get(loop)
    _current_tasks[loop] = task  # asyncio enters one task at a time
    try:
        awaited = context.run(coroutine.send, None)
        while awaited is not None and not getattr(awaited, "_asyncio_future_blocking", False):
            awaited = context.run(coroutine.throw, RuntimeError(f"a task cannot wait for {awaited!r}"))
    except StopIteration as end:
        if type(task) is LatentTask:
            task.outcome = (end.value, None)
        else:
            _settle(task, end.value, None)
    except BaseException as error:
        error.__traceback__ = _without_this_frame(error.__traceback__)  # which has the task, which has the error
        if type(task) is LatentTask:
            task.outcome = (None, error)
        else:
            _settle(task, None, error)
        if isinstance(error, SystemExit | KeyboardInterrupt):
            raise
    else:
        _become_real(task)
        del _current_tasks[loop]  # the Task enters itself
        _hand_over(task, awaited)
    finally:
        if caller is not None:
            _current_tasks[loop] = caller
        else:
            _current_tasks.pop(loop, None)
    return task


def _become_real(task: Task) -> None:
    if type(task) is not LatentTask:
        return
    task.__class__ = Task  # type: ignore[assignment]
    loop, coroutine, name, context = task.birth
    initialise = partial(asyncio.Task.__init__, task, coroutine, loop=loop, name=name, context=context)
    task.step = partial(context.run, capture_first_step(loop, coroutine, initialise))
    del task.birth
    try:
        outcome = task.outcome
    except AttributeError:
        return  # it runs
    _settle(task, *outcome)


def _hand_over(task: Task, awaited: Any) -> None:
    """The first step has come to an await: the Task is to wait for it.

    It is led there by resuming the coroutine once more, which hands out again what it waits for.
    """
    step = task.step
    del task.step
    if awaited is None:  # a bare yield, as in asyncio.sleep(0)
        task.get_loop().call_soon(step)
    elif task._must_cancel:  # type: ignore[attr-defined]  # noqa: SLF001
        awaited.add_done_callback(lambda _: step(), context=Context())
        awaited.cancel()
    else:
        awaited._asyncio_future_blocking = False  # noqa: SLF001
        step()


def _without_this_frame(trace: TracebackType | None) -> TracebackType | None:
    return trace.tb_next if trace is not None else None


def _settle(task: Task, value: Any, error: BaseException | None) -> None:
    """The task is done: its own methods refuse to say so."""
    del task.step  # it has the task
    if isinstance(error, asyncio.CancelledError):
        Future.cancel(task, *error.args[:1])
    elif error is not None:
        Future.set_exception(task, error)
        task.exception()  # who started it looks after it
    elif task._must_cancel:  # type: ignore[attr-defined]  # noqa: SLF001
        Future.cancel(task)
    else:
        Future.set_result(task, value)


class _Running:
    """Stands among all tasks, where there are weak references, for the latent one that is running."""

    def __call__(self) -> asyncio.Task[Any] | None:
        task = _current_tasks.get(asyncio._get_running_loop())  # noqa: SLF001
        return task if type(task) is LatentTask else None


_all_tasks.data.add(_Running())
