"""The handling of requests: an actor's function is called, and its result goes back as the reply."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine
from types import CoroutineType
from typing import Any, Final

from skypy.core.address import format_address
from skypy.core.wire.values import SCALARS, unpack_arguments
from skypy.worker.actors.actor import Actor, Request
from skypy.worker.messages.replies import Replies
from skypy.worker.tasks.eager import outcome_of, start_eagerly

current_request: Final[contextvars.ContextVar[Request]] = contextvars.ContextVar("skypy_request")


class Handling:
    """The handling of requests from this worker's actors and from others."""

    def __init__(self, loop: asyncio.AbstractEventLoop, replies: Replies) -> None:
        self._loop = loop
        self._replies = replies

    def handle(self, request: Request) -> None:
        """Call the handler of a request, and reply if it does not have to wait.

        Most handlers return at once, so everything that only a waiting one needs is put off until it waits: the task
        (see `start_eagerly`), the entry among the actor's requests and tasks, and the done callback. Until then the
        request is known to this call alone, which therefore answers it whatever happens. Failures of the service never
        come out of here: a SystemExit in a handler is the caller's RemoteError and does not end the worker.
        """
        actor = request.actor
        assert actor is not None
        if request.size:
            actor.mailbox_bytes -= request.size
            request.size = 0
        if actor.ended is not None:  # since the request was sent
            self._replies.answer_dead(request, actor.end_reason)
            return
        context = actor.context.copy()  # each handler has one of its own, with its request in it
        try:
            result = context.run(_call_handler, actor, request)
            # The class is asked first: most results are scalars, and isinstance with an ABC is slow.
            if result.__class__ not in SCALARS and (type(result) is CoroutineType or isinstance(result, Coroutine)):
                task = start_eagerly(self._loop, result, name=request.command, context=context)
                outcome = outcome_of(task)
                if outcome is None:
                    self._wait_for(task, actor, request)
                    return
                result, error = outcome
                if error is not None:
                    self._failed(request, error)
                    return
        except BaseException as error:
            self._failed(request, error)
            return
        if request.session:
            self._replies.reply(request, result)

    def _wait_for(self, task: asyncio.Task[Any], actor: Actor, request: Request) -> None:
        if request.session:
            self._replies.keep(request, actor)
        actor.tasks.add(task)
        task.add_done_callback(lambda task: self._task_done(request, task))

    def _task_done(self, request: Request, task: asyncio.Task[Any]) -> None:
        assert request.actor is not None
        request.actor.tasks.discard(task)
        outcome = outcome_of(task)
        assert outcome is not None
        result, error = outcome
        if error is not None:
            self._failed(request, error)
        else:
            self._replies.reply(request, result)

    def _failed(self, request: Request, error: BaseException) -> None:
        """Answer with what a handler has raised, or log it when no caller waits."""
        assert request.actor is not None
        request.actor.end_if_forked(error)
        if isinstance(error, asyncio.CancelledError):
            error = asyncio.CancelledError("the handler was cancelled")
        if request.session:
            self._replies.fail(request, error)
        elif not isinstance(error, asyncio.CancelledError):  # by which exit() ends a handler
            request.actor.failed(f'in command "{request.command}" from {format_address(request.source)}', error)


def _call_handler(actor: Actor, request: Request) -> Any:
    """Return the result of a request's handler. The caller makes sure that this runs in the handler's context."""
    current_request.set(request)
    args, kwargs = request.args, request.kwargs
    if kwargs is None:
        assert isinstance(args, bytes)
        args, kwargs = request.args, request.kwargs = unpack_arguments(args)
    handler = actor.commands.get(request.command)
    if handler is not None:
        return handler(*args, **kwargs) if kwargs else handler(*args)
    if actor.dispatcher is not None:
        return actor.dispatcher(request.source, request.command, *args, **kwargs)
    known = ", ".join(sorted(actor.commands)) or "none"
    raise LookupError(f'{actor.module.__name__} has no command "{request.command}" (it has: {known})')
