"""Messages between actors: send, call, and the replies.

Whatever two actors say to each other is checked and copied where it is sent, so it means the same inside a worker and
across workers. A handler's task starts in the order in which messages arrived.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final

from skypy.core.address import Address, check_address, format_address, process_number
from skypy.core.errors import ActorDead, MailboxFull, RemoteError
from skypy.core.sessions import Sessions
from skypy.core.wire import bus
from skypy.core.wire.bus import (
    DEAD,
    ERROR,
    KILL,
    OVERHEAD_BYTES,
    REPLY,
    REPLY_PACKED,
    REQUEST,
    REQUEST_PACKED,
    SMALL,
)
from skypy.core.wire.socket_lane import Message
from skypy.core.wire.values import (
    SCALARS,
    may_all_be_shared,
    may_be_shared,
    pack_arguments,
    pack_value,
    shared_bytes,
    unpack_value,
)
from skypy.worker.actors.actor import Actor, describe, text_of
from skypy.worker.actors.request import HERE, NOBODY, UNANSWERED, Request, call_handler
from skypy.worker.tasks.eager import outcome_of, start_eagerly
from skypy.worker.tasks.waiter import resume, resume_with

if TYPE_CHECKING:
    from skypy.worker.actors.scheduler import Scheduler

MAILBOX_BYTES: Final = 67108864
"""What may wait for one actor from inside its worker: as much as may be under way to another worker."""
_LIGHT_MESSAGES: Final = 1000
_LIGHT_BYTES: Final = 65536
"""As long as fewer and shorter ones than these wait in a worker they are not weighed: one turn handles them all."""
_LONGEST_TEXT: Final = 100_000
"""Characters of an exception's text or traceback; longer ones are cut."""


class Messenger:
    """The messages of one worker's actors. `send_to_process(number, message, size)` reaches the others."""

    def __init__(
        self,
        own_process: int,
        end: Callable[[Actor], asyncio.Future[None]],
        actors: Mapping[Address, Actor],
        scheduler: Scheduler,
        send_to_process: Callable[[int, tuple[Any, ...], int], bool],
        launcher: Actor,
    ) -> None:
        """`launcher` handles what other workers ask of this one; it is none of the actors."""
        self._own_process = own_process
        self._end = end
        self._actors = actors
        self._scheduler = scheduler
        self._launcher = launcher
        self._send_to_process = send_to_process
        self.sessions: Sessions[asyncio.Future[Any]] = Sessions()
        self._by_kind: dict[int, Callable[[Sequence[Any]], None]] = {
            REQUEST: self._request,
            REQUEST_PACKED: self._packed_request,
            REPLY: self._reply,
            REPLY_PACKED: self._packed_reply,
            ERROR: self._error,
            DEAD: self._dead,
            KILL: self._kill,
        }

    # -- asking --

    def send(
        self, source: Address, target: Address, command: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> bool:
        """One way. False when the target is known to be dead. Raises TypeError, ValueError for bad values."""
        actor = self._actors.get(target)
        if actor is None:
            return self._post_request(source, target, NOBODY, command, args, kwargs)
        request = Request(actor, source, NOBODY, command, args, kwargs)
        scheduler = self._scheduler
        shared = may_all_be_shared(args, kwargs)
        if not shared or len(scheduler.messages) > _LIGHT_MESSAGES:
            self._pack_and_weigh(request, args, kwargs, shared=shared)
        if actor.ended is not None:
            return False
        scheduler.enqueue(self._handle, request)
        return True

    def ask(
        self, source: Address, target: Address, command: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Request:
        """Send a request, which has its answer already, or a `waiter` for it; `give_up` to wait no longer.

        Who waits gets what the callee raised as RemoteError, or ActorDead. Raises ActorDead when there is no such
        actor, TypeError and ValueError for bad values, MailboxFull.
        """
        actor = self._actors.get(target)
        if actor is None:
            return self._ask_elsewhere(source, target, command, args, kwargs)
        request = Request(actor, source, HERE, command, args, kwargs)
        scheduler = self._scheduler
        shared = may_all_be_shared(args, kwargs)
        if not shared or len(scheduler.messages) > _LIGHT_MESSAGES:
            self._pack_and_weigh(request, args, kwargs, shared=shared)
        if actor.ended is not None:
            raise ActorDead(target, "there is no such actor")
        if not scheduler.handle_at_once(self._handle, request):
            scheduler.enqueue(self._handle, request)
        elif request.answer is not UNANSWERED:
            return request
        if request.waiter is None:  # nobody has detached the answer
            request.waiter = asyncio.Future(loop=scheduler.loop)
        return request

    def give_up(self, request: Request) -> None:
        """Nobody waits for it any more: its answer will be late."""
        assert request.waiter is not None
        request.waiter.cancel()
        self.sessions.close(request.session)

    def detach(self, request: Request) -> Request:
        """A request whose answer is no longer the handler's affair, but that of who has the new one."""
        actor = request.actor
        assert actor is not None
        request.detached = True
        detached = Request(actor, request.source, request.session, request.command, (), {})
        if request.session == NOBODY:
            return detached
        if request.session == HERE:
            if request.waiter is None:
                request.waiter = asyncio.Future(loop=self._scheduler.loop)
            detached.waiter = request.waiter
        request.session = NOBODY
        actor.requests.discard(request)
        self._keep(detached, actor)
        return detached

    async def kill(self, source: Address, target: Address) -> None:
        """End an actor, here or elsewhere; returns when it has ended, or was dead already."""
        number = process_number(target)
        if number == self._own_process:
            actor = self._actors.get(target)
            if actor is not None:
                await asyncio.shield(self._end(actor))
            return
        waiter: asyncio.Future[Any] = asyncio.Future(loop=self._scheduler.loop)
        session = self.sessions.open(target, waiter)
        try:
            if self._send_to_process(number, (KILL, target, source, session), SMALL):
                await waiter
        except ActorDead:
            pass  # that is what was wanted
        finally:
            del waiter
            self.sessions.close(session)

    def _post_request(
        self,
        source: Address,
        target: Address,
        session: int,
        command: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> bool:
        message, size = bus.request(target, source, session, command, args, kwargs)
        number = process_number(check_address(target))
        if number == self._own_process:
            return False
        return self._send_to_process(number, message, size)

    def _ask_elsewhere(
        self, source: Address, target: Address, command: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Request:
        waiter: asyncio.Future[Any] = asyncio.Future(loop=self._scheduler.loop)
        session = self.sessions.open(target, waiter)
        try:
            if not self._post_request(source, target, session, command, args, kwargs):
                raise ActorDead(target, "there is no such actor")
        except BaseException:
            self.sessions.close(session)
            raise
        request = Request(None, source, session, command, (), {})
        request.waiter = waiter
        return request

    def _pack_and_weigh(
        self, request: Request, args: Sequence[Any], kwargs: Mapping[str, Any], *, shared: bool
    ) -> None:
        """Arguments that cannot be shared as another process would get them, and what they are for the mailbox."""
        if shared:
            size = shared_bytes(args)
            if kwargs:
                size += shared_bytes(kwargs.values())
        else:
            request.args, request.kwargs = payload, _ = pack_arguments(args, kwargs), None
            size = len(payload)
        if size > _LIGHT_BYTES or len(self._scheduler.messages) > _LIGHT_MESSAGES:
            assert request.actor is not None
            self._weigh(request, request.actor, size)

    @staticmethod
    def _weigh(request: Request, actor: Actor, size: int) -> None:
        """What makes a mailbox full is refused: so it can neither grow without end, nor lose anything."""
        size += OVERHEAD_BYTES
        if actor.mailbox_bytes + size > MAILBOX_BYTES:
            raise MailboxFull(f"{MAILBOX_BYTES} bytes wait for actor {format_address(actor.address)}")
        actor.mailbox_bytes += size
        request.size = size

    # -- handling --

    def _handle(self, request: Request) -> None:
        actor = request.actor
        assert actor is not None
        if request.size:
            actor.mailbox_bytes -= request.size
            request.size = 0
        if actor.ended is not None:
            self._answer_dead(request, actor.end_reason)
            return
        context = actor.context.copy()
        try:
            result = context.run(call_handler, actor, request)
            if result.__class__ not in SCALARS and (type(result) is CoroutineType or isinstance(result, Coroutine)):
                task = start_eagerly(self._scheduler.loop, result, name=request.command, context=context)
                outcome = outcome_of(task)
                if outcome is None:
                    self._goes_on(actor, request, task)
                    return
                result, error = outcome
                if error is not None:
                    self._failed(request, error)
                    return
        except BaseException as error:
            self._failed(request, error)
            return
        if request.session:
            self.reply(request, result)

    def _goes_on(self, actor: Actor, request: Request, task: asyncio.Task[Any]) -> None:
        if request.session:
            self._keep(request, actor)
        actor.tasks.add(task)
        task.add_done_callback(lambda task: self._task_done(request, task))

    def _keep(self, request: Request, actor: Actor) -> None:
        """It will be answered later: by the actor's end at the latest."""
        if actor.ended is None:
            actor.requests.add(request)
        else:
            self._answer_dead(request, actor.end_reason)

    def _task_done(self, request: Request, task: asyncio.Task[Any]) -> None:
        assert request.actor is not None
        request.actor.tasks.discard(task)
        outcome = outcome_of(task)
        assert outcome is not None
        result, error = outcome
        if error is not None:
            self._failed(request, error)
        else:
            self.reply(request, result)

    def _failed(self, request: Request, error: BaseException) -> None:
        """A handler raised: who waits is told; what nobody waits for is logged."""
        assert request.actor is not None
        if isinstance(error, asyncio.CancelledError):
            error = asyncio.CancelledError("the handler was cancelled")
        if request.session:
            self.fail(request, error)
        elif not isinstance(error, asyncio.CancelledError):  # which is how exit() ends a handler
            request.actor.failed(f'in command "{request.command}" from {format_address(request.source)}', error)

    # -- answering --

    def reply(self, request: Request, value: Any) -> bool:
        """Answer with a value; False when nobody waits. A value that no message carries is the caller's error."""
        actor = request.actor
        assert actor is not None
        if actor.ended is not None:
            self._answer_dead(request, actor.end_reason)
        session = request.session
        if session == NOBODY:
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
                request.answer = value  # it would be the next message: the caller, whose task still runs, finds it
                request.session = NOBODY
                return True
            self._post_answer(request, value, size)
        except Exception as error:
            return self.fail(request, error)
        return self._answered(request)

    def fail(self, request: Request, error: BaseException) -> bool:
        """Answer with an exception; False when nobody waits."""
        actor = request.actor
        assert actor is not None
        if actor.ended is not None:
            self._answer_dead(request, actor.end_reason)
        if request.session == NOBODY:
            return False
        texts = (type(error).__qualname__, _short(text_of(error)), _short(describe(error)))
        if request.session == HERE:
            return self._fail_here(request, RemoteError(*texts))
        message = (ERROR, request.source, actor.address, request.session, *texts)
        return self._answer_elsewhere(request, message, SMALL)

    def fail_all(self, actor: Actor, reason: str) -> None:
        """An actor has ended: whoever still waits for it is told."""
        for request in list(actor.requests):
            self._answer_dead(request, reason)

    def _answer_dead(self, request: Request, reason: str) -> None:
        assert request.actor is not None
        address = request.actor.address
        if request.session == HERE:
            self._fail_here(request, ActorDead(address, reason))
        elif request.session != NOBODY:
            self._answer_elsewhere(request, (DEAD, request.source, address, request.session, reason), SMALL)

    def _post_answer(self, request: Request, value: Any, size: int) -> None:
        """Raises MailboxFull."""
        scheduler = self._scheduler
        if size > _LIGHT_BYTES or len(scheduler.messages) > _LIGHT_MESSAGES:
            caller = self._actors.get(request.source)
            if caller is not None:
                self._weigh(request, caller, size or shared_bytes((value,)))
        scheduler.enqueue(self._deliver, (request, value))

    def _fail_here(self, request: Request, error: Exception) -> bool:
        self._scheduler.enqueue(self._deliver_error, (request, error))
        return self._answered(request)

    def _answer_elsewhere(self, request: Request, message: Message, size: int) -> bool:
        """Raises MailboxFull: the request is as it was then."""
        sent = self._send_to_process(process_number(request.source), message, size)
        self._answered(request)
        return sent

    @staticmethod
    def _answered(request: Request) -> bool:
        assert request.actor is not None
        request.session = NOBODY
        request.actor.requests.discard(request)
        return request.waiter is None or not request.waiter.done()

    def _deliver(self, answer: tuple[Request, Any]) -> None:
        request, value = answer
        waiter = request.waiter
        assert waiter is not None
        if request.size:
            caller = self._actors.get(request.source)
            if caller is not None:
                caller.mailbox_bytes -= request.size
        if waiter.done():
            self.sessions.late += 1
        else:
            resume(waiter, value)

    def _deliver_error(self, answer: tuple[Request, Exception]) -> None:
        request, error = answer
        waiter = request.waiter
        assert waiter is not None
        if waiter.done():
            self.sessions.late += 1
        else:
            resume_with(waiter, error)

    # -- what arrives --

    def received(self, message: Sequence[Any]) -> None:
        """A message of another worker."""
        self._by_kind[message[0]](message)

    def process_died(self, number: int, reason: str) -> None:
        """Every call to an actor of that process fails."""
        for peer, waiter in self.sessions.of_process(number):
            self._scheduler.enqueue(_reject, (waiter, ActorDead(peer, reason)))

    def _request(self, message: Sequence[Any]) -> None:
        _, target, source, session, command, args = message
        self._handle_from_outside(target, Request(None, source, session, command, args, {}))

    def _packed_request(self, message: Sequence[Any]) -> None:
        _, target, source, session, command, payload = message
        self._handle_from_outside(target, Request(None, source, session, command, payload, None))

    def _handle_from_outside(self, target: Address, request: Request) -> None:
        request.actor = self._launcher if target == self._launcher.address else self._actors.get(target)
        if request.actor is not None:
            self._handle(request)
        elif request.session:
            self._say_dead(target, request.source, request.session, "there is no such actor")

    def _reply(self, message: Sequence[Any]) -> None:
        _, _, source, session, value = message
        waiter = self.sessions.answered(session, source)
        if waiter is not None:
            _resolve(waiter, value)

    def _packed_reply(self, message: Sequence[Any]) -> None:
        _, _, source, session, payload = message
        waiter = self.sessions.answered(session, source)
        if waiter is None:
            return
        try:
            value = unpack_value(payload)
        except Exception as error:  # of a class that is not registered here, or its `unpack`
            _reject((waiter, RemoteError(type(error).__qualname__, text_of(error), describe(error))))
        else:
            _resolve(waiter, value)

    def _error(self, message: Sequence[Any]) -> None:
        _, _, source, session, *texts = message
        waiter = self.sessions.answered(session, source)
        if waiter is not None:
            _reject((waiter, RemoteError(*texts)))

    def _dead(self, message: Sequence[Any]) -> None:
        _, _, source, session, reason = message
        waiter = self.sessions.answered(session, source)
        if waiter is not None:
            _reject((waiter, ActorDead(source, reason)))

    def _kill(self, message: Sequence[Any]) -> None:
        _, target, source, session = message

        def killed(_: object = None) -> None:
            self._say_dead(target, source, session, "it was killed")

        actor = self._actors.get(target)
        if actor is None:
            killed()
        else:
            self._end(actor).add_done_callback(killed)

    def _say_dead(self, target: Address, source: Address, session: int, reason: str) -> None:
        self._send_to_process(process_number(source), (DEAD, source, target, session, reason), SMALL)


def _resolve(waiter: asyncio.Future[Any], value: Any) -> None:
    if not waiter.done():  # it may have been cancelled since
        resume(waiter, value)


def _reject(told: tuple[asyncio.Future[Any], Exception]) -> None:
    waiter, error = told
    if not waiter.done():
        resume_with(waiter, error)


def _short(text: str) -> str:
    """What a message can carry of a text."""
    if len(text) > _LONGEST_TEXT:
        text = f"{text[:_LONGEST_TEXT]}... ({len(text)} characters)"
    return text.encode("utf-8", "backslashreplace").decode()
