"""The answers to requests: from the handler's result to the caller's task."""

from __future__ import annotations

import asyncio
from typing import Any

from skypy.core.errors import ActorDead, RemoteError
from skypy.core.sessions import Sessions
from skypy.core.wire import bus
from skypy.core.wire.bus import DEAD, ERROR, SMALL
from skypy.core.wire.socket_lane import Message
from skypy.core.wire.values import may_be_shared, pack_value, shared_bytes, unpack_value
from skypy.worker.actors.actor import HERE, NO_SESSION, Actor, Request
from skypy.worker.actors.scheduler import Scheduler
from skypy.worker.actors.tracebacks import describe, shortened, text_of
from skypy.worker.messages.mailbox import LIGHT_BYTES, LIGHT_MESSAGES, weigh
from skypy.worker.messages.routes import Routes
from skypy.worker.tasks.waiter import resume, resume_with


class Replies:
    """The answers to requests, one for each: with a value, an exception, or the death of the actor that was asked."""

    def __init__(self, routes: Routes, scheduler: Scheduler, sessions: Sessions[asyncio.Future[Any]]) -> None:
        self._routes = routes
        self._scheduler = scheduler
        self._sessions = sessions

    # -- answering --

    def reply(self, request: Request, value: Any) -> bool:
        """Answer with a value; return False when no caller waits.

        A value that no message carries becomes an exception, which the caller gets in its place.
        """
        actor = request.actor
        assert actor is not None
        if actor.ended is not None:
            self.answer_dead(request, actor.end_reason)
        session = request.session
        if session == NO_SESSION:
            return False
        try:
            if session != HERE:
                answer = bus.reply(request.source, actor.address, session, value)
                return self._answer_elsewhere(request, *answer)
            size = 0
            if not may_be_shared(value):
                payload = pack_value(value)
                value, size = unpack_value(payload), len(payload)
            waiter, scheduler = request.waiter, self._scheduler
            if waiter is None and not (scheduler.messages or scheduler.wakeups or scheduler.forks):
                # The caller's task still runs, beneath `handle_at_once`, and the answer would be the next message:
                # the caller finds it in the request.
                request.answer = value
                request.session = NO_SESSION
                return True
            self._enqueue_answer(request, value, size)
        except BaseException as error:  # `pack` of a class may raise anything
            return self.fail(request, error)
        return self._answered(request)

    def fail(self, request: Request, error: BaseException) -> bool:
        """Answer with an exception; return False when no caller waits."""
        actor = request.actor
        assert actor is not None
        if actor.ended is not None:
            self.answer_dead(request, actor.end_reason)
        if request.session == NO_SESSION:
            return False
        texts = (type(error).__qualname__, shortened(text_of(error)), shortened(describe(error)))
        if request.session == HERE:
            return self._fail_here(request, RemoteError(*texts))
        message = (ERROR, request.source, actor.address, request.session, *texts)
        return self._answer_elsewhere(request, message, SMALL)

    def fail_all(self, actor: Actor, reason: str) -> None:
        """Answer every request that an actor has not answered before its end."""
        for request in list(actor.requests):
            self.answer_dead(request, reason)

    def answer_dead(self, request: Request, reason: str) -> None:
        """Answer with ActorDead. Does nothing when no caller waits."""
        assert request.actor is not None
        address = request.actor.address
        if request.session == HERE:
            self._fail_here(request, ActorDead(address, reason))
        elif request.session != NO_SESSION:
            self._answer_elsewhere(request, (DEAD, request.source, address, request.session, reason), SMALL)

    def _enqueue_answer(self, request: Request, value: Any, size: int) -> None:
        """Have the caller given its answer in the order of messages. Raises MailboxFull."""
        scheduler = self._scheduler
        if size > LIGHT_BYTES or len(scheduler.messages) > LIGHT_MESSAGES:
            caller = self._routes.here(request.source)
            if caller is not None:
                weigh(request, caller, size or shared_bytes((value,)))
        scheduler.enqueue(self.deliver, (request, value))

    def _fail_here(self, request: Request, error: Exception) -> bool:
        self._scheduler.enqueue(self.deliver_error, (request, error))
        return self._answered(request)

    def _answer_elsewhere(self, request: Request, message: Message, size: int) -> bool:
        """Send an answer to another worker. Raises MailboxFull, and leaves the request unanswered then."""
        sent = self._routes.send(request.source, message, size)
        self._answered(request)
        return sent

    @staticmethod
    def _answered(request: Request) -> bool:
        assert request.actor is not None
        request.session = NO_SESSION
        request.actor.requests.discard(request)
        return request.waiter is None or not request.waiter.done()

    # -- answering later --

    def keep(self, request: Request, actor: Actor) -> None:
        """Note a request that will be answered later: by the actor's end at the latest."""
        if actor.ended is None:
            actor.requests.add(request)
        else:
            self.answer_dead(request, actor.end_reason)

    def detach(self, request: Request) -> Request:
        """Return a new request in place of one whose handler gives the answer out of its hands."""
        actor = request.actor
        assert actor is not None
        request.detached = True
        detached = Request(actor, request.source, request.session, request.command, (), {})
        if request.session == NO_SESSION:
            return detached
        if request.session == HERE:
            if request.waiter is None:
                request.waiter = asyncio.Future(loop=self._scheduler.loop)
            detached.waiter = request.waiter
        request.session = NO_SESSION
        actor.requests.discard(request)
        self.keep(detached, actor)
        return detached

    # -- to the caller's task --

    def deliver(self, answer: tuple[Request, Any]) -> None:
        """Give a value to the task that waits for it."""
        request, value = answer
        waiter = request.waiter
        assert waiter is not None
        if request.size:
            caller = self._routes.here(request.source)
            if caller is not None:
                caller.mailbox_bytes -= request.size
        if waiter.done():
            self._sessions.late += 1
        else:
            resume(waiter, value)

    def deliver_error(self, answer: tuple[Request, Exception]) -> None:
        """Raise an exception in the task that waits for an answer."""
        request, error = answer
        waiter = request.waiter
        assert waiter is not None
        if waiter.done():
            self._sessions.late += 1
        else:
            resume_with(waiter, error)
