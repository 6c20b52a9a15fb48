"""The task of a first step, which is made in full only when it is looked at (Python 3.11).

Most handlers never wait, and to build an `asyncio.Task` costs more than all the rest of such a call: a step is
scheduled, the task joins a WeakSet. But `asyncio.current_task()` has to be a real Task from a coroutine's first line
on. So the first step is taken with a LatentTask as the current one: an `asyncio.Task` whose initialiser has not run.
It is initialised by the first look at it, or by the first wait; from then on it is a Task as any other. If neither
comes, it is dropped when the coroutine has ended.

From Python 3.12 on a Task takes its first step at once by itself, at less cost.
"""

from __future__ import annotations

import asyncio
from _asyncio import _current_tasks  # type: ignore[attr-defined]
from asyncio import Future, tasks
from asyncio.tasks import _all_tasks  # type: ignore[attr-defined]
from collections import UserDict
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from types import TracebackType
from typing import Any, Final, TypeVar

from skypy.worker.tasks.first_step import initialise_unstarted

T = TypeVar("T")


class CoroutineProxy(Coroutine[Any, Any, Any]):
    """The coroutine of a Task that was initialised when its coroutine had begun already.

    Such a Task has to wait for an object that its coroutine has yielded before, to `start_eagerly`. Only its own first
    step leads it there, and that asks the coroutine for the next object. To resume the coroutine once more, in the hope
    that it yields the same object, works with most awaitables, which loop until they are done; others take any
    resumption for the end of the wait. So the Task drives this proxy. For the first step its `send` hands out the
    object, afterwards it is the `send` of the coroutine, at no cost of Python code.
    """

    __slots__ = ("close", "coroutine", "send", "throw")

    coroutine: Coroutine[Any, Any, Any]
    send: Callable[[Any], Any]
    # Nothing is ever stored in the other two: like all else they are looked up in the coroutine. A method here would
    # put a frame with the exception thrown into the traceback of that, and the two would hold each other.

    def __await__(self) -> Generator[Any, None, Any]:
        return self.coroutine.__await__()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.coroutine, name)

    def __repr__(self) -> str:
        return repr(self.coroutine)


class Task(asyncio.Task[Any]):
    """A LatentTask that has been initialised. The standard class has no room for the slots."""

    __slots__ = ("arguments", "outcome", "proxy", "step")

    arguments: tuple[asyncio.AbstractEventLoop, Coroutine[Any, Any, Any], str | None, Context]
    """Loop, coroutine, name and context for the initialiser; gone once that has run."""
    outcome: tuple[Any, BaseException | None]
    """Result and exception, once the first step was the last one."""
    proxy: CoroutineProxy
    """The coroutine as the standard class knows it."""
    step: Callable[[], object]
    """The first step of the standard class, between a look and the first wait."""

    def get_coro(self) -> Coroutine[Any, Any, Any]:
        """Return the coroutine that the task runs."""
        return self.proxy.coroutine

    _coro = property(get_coro)  # where asyncio's own representations and stacks look


class LatentTask(Task):
    """A task that has not been looked at, and is not initialised."""

    __slots__ = ()

    def __getattribute__(self, name: str) -> Any:
        _become_real(self)
        return getattr(self, name)

    def __await__(self) -> Generator[Any, None, Any]:
        _become_real(self)
        return self.__await__()

    __iter__ = __await__  # as the class in C has it


_new: Final = LatentTask.__new__
_new_proxy: Final[Callable[[Any], CoroutineProxy]] = CoroutineProxy.__new__
_arguments: Final = Task.__dict__["arguments"].__get__  # `task.arguments` would be a look
first_outcome: Final = Task.__dict__["outcome"].__get__
"""Return result and exception of a LatentTask; raises AttributeError while its first step runs."""


def start_eagerly(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T], *, name: str | None = None, context: Context
) -> asyncio.Task[T]:
    """Start a task; it has run up to its first await, or to its end, when this returns.

    The loop must be running; the caller may be a task itself. The caller must not be inside of `context`, which cannot
    be entered twice: give it a copy. SystemExit and KeyboardInterrupt in the first step are raised here.
    """
    task: Task = _new(LatentTask)
    task.arguments = (loop, coroutine, name, context)
    caller = _current_tasks.get(loop)
    _current_tasks[loop] = task  # asyncio enters one task at a time
    try:
        awaited = context.run(coroutine.send, None)
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
        del _current_tasks[loop]  # the Task enters itself
        if type(task) is LatentTask:
            step = _initialise(task)
        else:
            step = task.step
            del task.step
        if task._must_cancel:  # type: ignore[attr-defined]  # noqa: SLF001
            _cancel_first_wait(loop, step, awaited, context)
        else:
            _wait(task.proxy, step, awaited, context)
    finally:
        if caller is not None:
            _current_tasks[loop] = caller
        else:
            _current_tasks.pop(loop, None)
    return task


def _initialise(task: Task) -> Callable[[], object]:
    """Make a LatentTask a Task in full; return the first step of that."""
    loop, coroutine, name, context = _arguments(task)
    task.__class__ = Task
    del task.arguments
    task.proxy = proxy = _new_proxy(CoroutineProxy)
    proxy.coroutine = coroutine
    return initialise_unstarted(task, loop, proxy, name, context)


def _become_real(task: Task) -> None:
    """Initialise a LatentTask because of a look at it: its first step runs, or was its last one."""
    if type(task) is not LatentTask:
        return
    task.step = _initialise(task)
    try:
        outcome = task.outcome
    except AttributeError:
        return  # it runs
    _settle(task, *outcome)


def _wait(proxy: CoroutineProxy, step: Callable[[], object], awaited: Any, context: Context) -> None:
    """Let a Task wait for the object that its coroutine has yielded, even if no task can wait for that object."""
    proxy.send = lambda _: awaited
    context.run(step)
    proxy.send = proxy.coroutine.send


def _cancel_first_wait(
    loop: asyncio.AbstractEventLoop, step: Callable[[], object], awaited: Any, context: Context
) -> None:
    """Cancel the wait of a coroutine that has cancelled its own task in the first step.

    The step, whenever it comes, throws CancelledError into the coroutine by itself. It must not come before the
    awaited future has been cancelled and has ended.
    """
    if getattr(awaited, "_asyncio_future_blocking", False):
        awaited.add_done_callback(lambda _: context.run(step), context=Context())
        awaited.cancel()
    else:  # a bare yield, as in asyncio.sleep(0)
        loop.call_soon(step, context=context)


def _without_this_frame(trace: TracebackType | None) -> TracebackType | None:
    return trace.tb_next if trace is not None else None


def _settle(task: Task, value: Any, error: BaseException | None) -> None:
    """End a task: its own methods refuse to do so, those of Future do not."""
    del task.step  # it has the task
    if isinstance(error, asyncio.CancelledError):
        Future.cancel(task, *error.args[:1])
    elif error is not None:
        Future.set_exception(task, error)
        task.exception()  # the starter looks after it
    elif task._must_cancel:  # type: ignore[attr-defined]  # noqa: SLF001
        Future.cancel(task)
    else:
        Future.set_result(task, value)


# A LatentTask can be reached in two ways: as the current task of its loop, and among all tasks. For Python code, that
# of asyncio and of services, both lead through one of the classes below. The dictionary of _asyncio itself is read by
# code in C, which only compares what is in there, and by skypy.


class _CurrentTasks(UserDict[asyncio.AbstractEventLoop, Any]):
    """The current tasks as `asyncio.current_task` sees them: to get one is a look.

    A LatentTask must never be handed out. Its own `__getattribute__` notices `task.get_coro()`, but not
    `asyncio.Task.get_coro(task)`, which reads an uninitialised object and takes the process with it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.data = _current_tasks

    def __getitem__(self, loop: asyncio.AbstractEventLoop) -> Any:
        task = self.data[loop]
        if type(task) is LatentTask:
            _become_real(task)
        return task

    def get(self, loop: Any, default: Any = None) -> Any:
        """Return the current task of a loop."""
        task = self.data.get(loop, default)
        if type(task) is LatentTask:
            _become_real(task)
        return task


class _Running:
    """The running LatentTask, if any, among all tasks, of which there are weak references.

    `asyncio.all_tasks` asks each for its loop, which is a look.
    """

    def __call__(self) -> asyncio.Task[Any] | None:
        task = _current_tasks.get(asyncio._get_running_loop())  # noqa: SLF001
        return task if type(task) is LatentTask else None


tasks._current_tasks = _CurrentTasks()  # type: ignore[attr-defined]  # noqa: SLF001
_all_tasks.data.add(_Running())
