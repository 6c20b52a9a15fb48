"""Actors, and the requests that they handle."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from threading import get_ident as _get_thread_id
from types import ModuleType
from typing import Any, Final

from skypy.core.address import Address, format_address
from skypy.worker.actors.forked_child import FORKED, end_forked_child
from skypy.worker.actors.tracebacks import describe
from skypy.worker.tasks.waiter import Waiter

_log: Final = logging.getLogger("skypy")
current: Final[contextvars.ContextVar[Actor]] = contextvars.ContextVar("skypy_actor")
"""The actor that a context belongs to. Services have it through `current_actor` in `skypy.worker.worker`."""


NO_THREAD: Final = -1
"""A number that no thread has."""


class Life(Enum):
    """The stages in the life of an actor."""

    LOADING = "loading"  # the module body runs: decorators may declare hooks
    RUNNING = "running"
    ENDING = "ending"  # stop hooks run, tasks are cancelled, sockets are closed
    ENDED = "ended"


class Actor:
    """One instance of a service: its module, its tasks and sockets, and the hooks it has declared."""

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
        "timers",
        "waiting",
    )

    def __init__(self, address: Address, module: ModuleType, context: contextvars.Context) -> None:
        self.address = address
        self.module = module
        self.life = Life.LOADING
        self.context = context
        self.context.run(current.set, self)
        self.tasks: set[asyncio.Task[Any]] = set()
        self.sockets: set[int] = set()
        """The ids of its sockets in this worker, started or not, listening or not."""
        self.thread_id = _get_thread_id()
        """The worker's thread, the only one from which its code may use skypy; NO_THREAD once the actor has ended, and
        FORKED in a forked child."""
        self.timers: dict[object, asyncio.TimerHandle] = {}
        """The functions that `timeout` is to run, by a token for each."""
        self.waiting: dict[Any, Waiter[bool]] = {}
        """The waits of its tasks in `wait` and `sleep`, by token."""
        self.mailbox_bytes = 0
        """The size of the messages that wait for it from inside its worker, as far as they were weighed."""
        self.commands: dict[str, Callable[..., Any]] = {}
        self.dispatcher: Callable[..., Any] | None = None
        """The function for the commands that have none of their own."""
        self.requests: set[Request] = set()
        """The requests that it has not answered yet and whose callers wait."""
        self.start_function: Callable[..., Any] | None = None
        self.stop_functions: list[Callable[..., Any]] = []
        self.ended: asyncio.Future[None] | None = None
        """Done when the actor has ended; None until its end begins."""
        self.end_reason = ""

    def __repr__(self) -> str:
        return f"<actor {format_address(self.address)} {self.module.__name__}>"

    def end(self) -> None:
        """Make sure that no code of the actor is started any more, and that none which goes on uses skypy."""
        self.life = Life.ENDED
        self.thread_id = NO_THREAD
        for timer in self.timers.values():
            timer.cancel()  # it would keep the actor, with all that its module has, until its time has come
        self.timers.clear()

    def has_socket(self, id_: int) -> bool:
        """Return True if the socket is this actor's."""
        return id_ in self.sockets

    def task_done(self, task: asyncio.Task[Any]) -> None:
        """Let go of a task that skypy has started for the actor and that has ended; log its failure."""
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failed(f"in task {task.get_name()}", error)

    def failed(self, where: str, error: BaseException, function: Callable[..., Any] | None = None) -> None:
        """Log an exception of the service's code, with the traceback from its own first line on."""
        self.end_if_forked(error)
        try:
            _log.error("error %s\n%s", where, describe(error, function), extra={"address": self.address})
        except Exception:  # of a filter or handler that a service has installed: the worker must not pay for it
            traceback.print_exc()

    def end_if_forked(self, error: BaseException | None = None) -> None:
        """End this process, if it is a forked child, where the actor's code has returned or raised `error`."""
        if self.thread_id == FORKED:
            end_forked_child(error)


NO_SESSION: Final = 0
"""The session of a request that needs no answer or has been answered."""
HERE: Final = -1
"""The session of a request whose caller is a task of this worker. Other sessions are calls of other workers."""
UNANSWERED: Final = object()


class Request:
    """A message that an actor handles, and the way back to the actor that has sent it."""

    __slots__ = ("actor", "answer", "args", "command", "detached", "kwargs", "session", "size", "source", "waiter")

    def __init__(
        self,
        actor: Actor | None,
        source: Address,
        session: int,
        command: str,
        args: Sequence[Any] | bytes,
        kwargs: Mapping[str, Any] | None,
    ) -> None:
        self.actor = actor
        """The actor that handles the request; None when that actor lives in another worker."""
        self.source = source
        self.session = session
        self.command = command
        self.args = args
        self.kwargs = kwargs
        """None as long as `args` are packed and the keyword arguments are packed with them."""
        self.waiter: asyncio.Future[Any] | None = None
        """The caller's wait; None while its task still runs and either finds `answer` or begins to wait."""
        self.answer: Any = UNANSWERED
        self.size = 0
        """The bytes that are counted in a mailbox as long as the request, or its answer, waits there."""
        self.detached = False
        """True once `response` has taken the reply out of the handler's hands."""


def actor_of(context: contextvars.Context | None) -> Actor | None:
    """Return the actor that a context (None: the current context) belongs to, or None."""
    return current.get(None) if context is None else context.get(current)


def loading_actor(function: Callable[..., Any]) -> Actor | None:
    """Return the actor whose module body is declaring `function`; None in a module imported in the ordinary way."""
    actor = current.get(None)
    if actor is None or actor.life is not Life.LOADING:
        return None
    return actor if sys.modules.get(function.__module__) is actor.module else None
