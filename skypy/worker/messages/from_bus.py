"""The messages that arrive from other workers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from skypy.core.address import Address
from skypy.core.errors import ActorDead, RemoteError
from skypy.core.sessions import Sessions
from skypy.core.wire.bus import DEAD, ERROR, KILL, REPLY, REPLY_PACKED, REQUEST, REQUEST_PACKED, SMALL
from skypy.core.wire.values import unpack_value
from skypy.worker.actors.actor import Actor, Request
from skypy.worker.actors.scheduler import Scheduler
from skypy.worker.actors.tracebacks import describe, text_of
from skypy.worker.messages.routes import Routes
from skypy.worker.tasks.waiter import resume, resume_with


class FromBus:
    """The handlers of such messages: requests go to actors here, answers to the tasks that wait."""

    def __init__(
        self,
        routes: Routes,
        scheduler: Scheduler,
        sessions: Sessions[asyncio.Future[Any]],
        handle: Callable[[Request], None],
        kill: Callable[[Actor], asyncio.Future[None]],
    ) -> None:
        """`handle` is given each request; `kill` begins to end an actor of this worker."""
        self._routes = routes
        self._scheduler = scheduler
        self._sessions = sessions
        self._handle = handle
        self._kill_here = kill
        self._by_kind: dict[int, Callable[[Sequence[Any]], None]] = {
            REQUEST: self._request,
            REQUEST_PACKED: self._packed_request,
            REPLY: self._reply,
            REPLY_PACKED: self._packed_reply,
            ERROR: self._error,
            DEAD: self._dead,
            KILL: self._kill,
        }

    def receive(self, messages: Sequence[Any], handled: Callable[[], None]) -> None:
        """Handle a batch of another worker in a turn; `handled` is called behind the last of its messages."""
        scheduler = self._scheduler
        handle = self.handle_message
        scheduler.begin_turn()
        scheduler.messages.extend([(handle, message) for message in messages])
        scheduler.enqueue(_call, handled)
        scheduler.end_turn()

    def receive_in_turn(self, messages: Sequence[Any], handled: Callable[[], None]) -> None:
        """Handle a batch that has waited for writes to sockets, which a turn has just brought."""
        handle = self.handle_message
        self._scheduler.messages.extend([(handle, message) for message in messages])
        self._scheduler.enqueue(_call, handled)

    def handle_message(self, message: Sequence[Any]) -> None:
        """Handle a message of another worker."""
        self._by_kind[message[0]](message)

    def process_died(self, process_number: int, reason: str) -> None:
        """Let every call to an actor of a dead process fail."""
        for peer, waiter in self._sessions.of_process(process_number):
            self._scheduler.enqueue(_reject, (waiter, ActorDead(peer, reason)))

    # -- requests --

    def _request(self, message: Sequence[Any]) -> None:
        _, target, source, session, command, args = message
        self._handle_for(target, Request(None, source, session, command, args, {}))

    def _packed_request(self, message: Sequence[Any]) -> None:
        _, target, source, session, command, payload = message
        self._handle_for(target, Request(None, source, session, command, payload, None))

    def _handle_for(self, target: Address, request: Request) -> None:
        request.actor = self._routes.receiver(target)
        if request.actor is not None:
            self._handle(request)
        elif request.session:
            self._send_dead(target, request.source, request.session, "there is no such actor")

    def _kill(self, message: Sequence[Any]) -> None:
        _, target, source, session = message

        def killed(_: object = None) -> None:
            if session:
                self._send_dead(target, source, session, "it was killed")

        actor = self._routes.here(target)
        if actor is None:
            killed()
        else:
            self._kill_here(actor).add_done_callback(killed)

    def _send_dead(self, target: Address, source: Address, session: int, reason: str) -> None:
        self._routes.send(source, (DEAD, source, target, session, reason), SMALL)

    # -- answers --

    def _reply(self, message: Sequence[Any]) -> None:
        _, _, source, session, value = message
        waiter = self._sessions.answered(session, source)
        if waiter is not None:
            _resolve(waiter, value)

    def _packed_reply(self, message: Sequence[Any]) -> None:
        _, _, source, session, payload = message
        waiter = self._sessions.answered(session, source)
        if waiter is None:
            return
        try:
            value = unpack_value(payload)
        except BaseException as error:  # of a class that is not registered here, or its `unpack`
            _reject((waiter, RemoteError(type(error).__qualname__, text_of(error), describe(error))))
        else:
            _resolve(waiter, value)

    def _error(self, message: Sequence[Any]) -> None:
        _, _, source, session, *texts = message
        waiter = self._sessions.answered(session, source)
        if waiter is not None:
            _reject((waiter, RemoteError(*texts)))

    def _dead(self, message: Sequence[Any]) -> None:
        _, _, source, session, reason = message
        waiter = self._sessions.answered(session, source)
        if waiter is not None:
            _reject((waiter, ActorDead(source, reason)))


def _resolve(waiter: asyncio.Future[Any], value: Any) -> None:
    if not waiter.done():  # it may have been cancelled since
        resume(waiter, value)


def _reject(answer: tuple[asyncio.Future[Any], Exception]) -> None:
    waiter, error = answer
    if not waiter.done():
        resume_with(waiter, error)


def _call(function: Callable[[], None]) -> None:
    function()
