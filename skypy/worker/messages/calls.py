"""The asking side of messages: send, call, kill.

A value is checked and copied where it is sent, so a message means the same inside a worker and across workers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from skypy.core.address import Address
from skypy.core.errors import ActorDead, CallError
from skypy.core.sessions import Sessions
from skypy.core.wire import bus
from skypy.core.wire.bus import KILL, SMALL
from skypy.core.wire.values import may_all_be_shared
from skypy.worker.actors.actor import HERE, NO_SESSION, UNANSWERED, Actor, Request
from skypy.worker.actors.scheduler import Scheduler
from skypy.worker.messages.mailbox import LIGHT_MESSAGES, pack_and_weigh
from skypy.worker.messages.routes import Routes
from skypy.worker.tasks.waiter import Waiter


class Calls:
    """The sending side of a worker's actors."""

    def __init__(
        self,
        routes: Routes,
        scheduler: Scheduler,
        sessions: Sessions[asyncio.Future[Any]],
        handle: Callable[[Request], None],
        kill: Callable[[Actor], asyncio.Future[None]],
    ) -> None:
        """`handle` is given each request for an actor of this worker; `kill` begins to end such an actor."""
        self._routes = routes
        self._actor_here = routes.here
        self._scheduler = scheduler
        self._sessions = sessions
        self._handle = handle
        self._kill = kill

    def send(
        self, source: Address, target: Address, command: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> bool:
        """Send a message that needs no answer; return False if the target is known to be dead.

        Raises TypeError and ValueError for values that no message carries, MailboxFull.
        """
        actor = self._actor_here(target)
        if actor is None:
            message, size = bus.request(target, source, NO_SESSION, command, args, kwargs)
            return self._routes.send(target, message, size)
        request = Request(actor, source, NO_SESSION, command, args, kwargs)
        scheduler = self._scheduler
        shared = may_all_be_shared(args, kwargs)
        if not shared or len(scheduler.messages) > LIGHT_MESSAGES:
            pack_and_weigh(request, args, kwargs, shared=shared, waiting=len(scheduler.messages))
        if actor.ended is not None:
            return False
        scheduler.enqueue(self._handle, request)
        return True

    def ask(
        self, source: Address, target: Address, command: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Request:
        """Send a request, and return it with its `answer`, or with a `waiter` for the answer.

        The waiter raises RemoteError for an exception of the callee, and ActorDead. A caller that waits no longer calls
        `give_up`. Raises ActorDead when there is no such actor, TypeError and ValueError for values that no message
        carries, MailboxFull.
        """
        actor = self._actor_here(target)
        if actor is None:
            return self._ask_elsewhere(source, target, command, args, kwargs)
        request = Request(actor, source, HERE, command, args, kwargs)
        scheduler = self._scheduler
        shared = may_all_be_shared(args, kwargs)
        if not shared or len(scheduler.messages) > LIGHT_MESSAGES:
            pack_and_weigh(request, args, kwargs, shared=shared, waiting=len(scheduler.messages))
        if actor.ended is not None:
            raise ActorDead(target, "there is no such actor")
        if not scheduler.handle_at_once(self._handle, request):
            scheduler.enqueue(self._handle, request)
        elif request.answer is not UNANSWERED:
            return request
        if request.waiter is None:  # a handler that has detached its reply has made the waiter already
            request.waiter = asyncio.Future(loop=scheduler.loop)
        return request

    def give_up(self, request: Request) -> None:
        """Wait no longer: the answer will be late."""
        assert request.waiter is not None
        request.waiter.cancel()
        self._sessions.close(request.session)

    async def start_elsewhere(
        self, source: Address, root: Address, command: str, args: Sequence[Any], give_up: str, number: Sequence[Any]
    ) -> Address:
        """Ask the root actor of another worker for a new actor, and return the address of that actor.

        When the task that waits is cancelled, the root actor is sent `give_up` with the arguments `number`, and an
        actor that has started all the same ends. Raises as `ask` and its waiter do.
        """
        waiter: Waiter[Address] = Waiter(self._scheduler.loop)

        def answered(answer: asyncio.Future[Address]) -> None:
            error = answer.exception()
            if not waiter.done():
                if error is None:
                    waiter.set_result(answer.result())
                else:
                    waiter.set_exception(error)
            elif error is None:  # it crosses the cancellation
                self.end_unwanted(source, answer.result())

        answer = self.ask(source, root, command, args, {}).waiter
        assert answer is not None
        answer.add_done_callback(answered)
        try:
            return await waiter
        except asyncio.CancelledError:
            if not answer.done():
                message, _ = bus.request(root, source, NO_SESSION, give_up, number, {})
                self._routes.send(root, message, SMALL)
            else:
                with suppress(CallError, asyncio.CancelledError, asyncio.InvalidStateError):
                    self.end_unwanted(source, waiter.result())
            raise
        finally:
            del answer  # which has the exception, whose traceback has this frame

    def end_unwanted(self, source: Address, target: Address) -> None:
        """Let an actor end, here or elsewhere, and do not wait for that."""
        actor = self._actor_here(target)
        if actor is not None:
            self._kill(actor)
        else:
            self._routes.send(target, (KILL, target, source, NO_SESSION), SMALL)

    async def kill(self, source: Address, target: Address) -> None:
        """End an actor, here or elsewhere; return when it has ended, or at once if it was dead already."""
        actor = self._actor_here(target)
        if actor is not None:
            await asyncio.shield(self._kill(actor))
            return
        waiter: asyncio.Future[Any] = asyncio.Future(loop=self._scheduler.loop)
        session = self._sessions.open(target, waiter)
        try:
            if self._routes.send(target, (KILL, target, source, session), SMALL):
                await waiter
        except ActorDead:
            pass  # the answer to KILL
        finally:
            del waiter
            self._sessions.close(session)

    def _ask_elsewhere(
        self, source: Address, target: Address, command: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Request:
        waiter: asyncio.Future[Any] = asyncio.Future(loop=self._scheduler.loop)
        session = self._sessions.open(target, waiter)
        try:
            message, size = bus.request(target, source, session, command, args, kwargs)
            if not self._routes.send(target, message, size):
                raise ActorDead(target, "there is no such actor")
        except BaseException:
            self._sessions.close(session)
            raise
        request = Request(None, source, session, command, (), {})
        request.waiter = waiter
        return request
