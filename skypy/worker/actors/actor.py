"""One actor: its address, its module, its tasks and sockets, and the hooks it has declared."""

from __future__ import annotations

import asyncio
import contextvars
import sys
import traceback
from collections.abc import Callable
from enum import Enum
from threading import get_ident as _get_thread_id
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any, Final

from skypy.core.address import Address, format_address

if TYPE_CHECKING:
    from skypy.worker.actors.request import Request
    from skypy.worker.tasks.waiter import Waiter
    from skypy.worker.worker import Worker

_current: Final[contextvars.ContextVar[Actor]] = contextvars.ContextVar("skypy_actor")
_NOT_OF_SERVICES: Final = ("skypy", "asyncio")
"""The packages whose frames are left out of tracebacks: by name, compiled modules are in no folder."""


class Life(Enum):
    """Where an actor is in its life."""

    LOADING = "loading"  # the module body runs: decorators may declare hooks
    RUNNING = "running"
    ENDING = "ending"  # stop hooks run, tasks are cancelled, sockets are closed
    ENDED = "ended"


class Actor:
    """What a service's module and its tasks belong to."""

    __slots__ = (
        "__weakref__",
        "address",
        "commands",
        "context",
        "dispatcher",
        "end_reason",
        "ended",
        "life",
        "mailbox_bytes",
        "module",
        "requests",
        "sockets",
        "start_function",
        "stop_functions",
        "tasks",
        "thread_id",
        "waiting",
        "worker",
    )

    def __init__(self, address: Address, worker: Worker, module: ModuleType, context: contextvars.Context) -> None:
        self.address = address
        self.worker = worker
        self.module = module
        self.life = Life.LOADING
        self.context = context
        self.context.run(_current.set, self)
        self.tasks: set[asyncio.Task[Any]] = set()
        self.sockets: set[int] = set()
        """The ids of its sockets in this worker, started or not, listening or not."""
        self.thread_id = worker.thread_id
        self.waiting: dict[Any, Waiter[bool]] = {}
        """Who waits or sleeps, by token."""
        self.mailbox_bytes = 0
        """What waits for it from inside its worker, as far as that was weighed."""
        self.commands: dict[str, Callable[..., Any]] = {}
        self.dispatcher: Callable[..., Any] | None = None
        """Handles commands that have no function of their own."""
        self.requests: set[Request] = set()
        """What others wait for."""
        self.start_function: Callable[..., Any] | None = None
        self.stop_functions: list[Callable[..., Any]] = []
        self.ended: asyncio.Future[None] | None = None
        """Done when the end has come; None while nobody has asked for it."""
        self.end_reason = ""

    def __repr__(self) -> str:
        return f"<actor {format_address(self.address)} {self.module.__name__}>"

    def has_socket(self, id_: int) -> bool:
        """Return True if the socket is this actor's."""
        return id_ in self.sockets

    def task_done(self, task: asyncio.Task[Any]) -> None:
        """One of the tasks that skypy started for it has ended: a failure is logged."""
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failed(f"in task {task.get_name()}", error)

    def failed(self, where: str, error: BaseException, function: Callable[..., Any] | None = None) -> None:
        """Log an exception of the service's code, with the traceback from its own first line on."""
        self.worker.log.error("error %s\n%s", where, describe(error, function), extra={"address": self.address})


def current_actor() -> Actor:
    """The actor whose code is running.

    Raises RuntimeError outside of a service, and in a thread that is not the worker's.
    """
    try:
        actor = _current.get()
    except LookupError:
        raise RuntimeError("this call needs a running service: there is no current actor here") from None
    if actor.thread_id != _get_thread_id():
        raise RuntimeError("skypy must be called from the service's own thread, not from another one")
    return actor


def actor_of(context: contextvars.Context | None) -> Actor | None:
    """The actor that a context (None: the current one) belongs to, if any."""
    return _current.get(None) if context is None else context.get(_current)


def describe(error: BaseException, function: Callable[..., Any] | None = None) -> str:
    """The traceback of an exception, without the frames of skypy that led to the service.

    When the service has no frame in it (a syntax error, a call with the wrong arguments), `function` says what failed.
    """
    trace = _from_service(error.__traceback__)
    text = "".join(traceback.format_exception(type(error), error, trace)).rstrip()
    code = getattr(function, "__code__", None)
    if trace is None and code is not None:
        text = f'  File "{code.co_filename}", line {code.co_firstlineno}, in {code.co_name}\n{text}'
    return text


def text_of(error: BaseException) -> str:
    """`str(error)`, whatever the class makes of it."""
    try:
        return str(error)
    except Exception:
        return "<exception str() failed>"  # as tracebacks say it


def _from_service(trace: TracebackType | None) -> TracebackType | None:
    while trace is not None and trace.tb_frame.f_globals.get("__name__", "").partition(".")[0] in _NOT_OF_SERVICES:
        trace = trace.tb_next
    return trace


def loading_actor(function: Callable[..., Any]) -> Actor | None:
    """The actor whose module body is declaring `function`; None in a module imported in the ordinary way."""
    actor = _current.get(None)
    if actor is None or actor.life is not Life.LOADING:
        return None
    return actor if sys.modules.get(function.__module__) is actor.module else None
