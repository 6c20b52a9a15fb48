"""Messages between actors: send, call, and the replies.

Whatever two actors say to each other is checked and copied where it is sent, so it means the same inside a worker and
across workers. A handler's task starts in the order in which messages arrived.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Mapping, Sequence
from types import CoroutineType, MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from skypy.core import actor_messages
from skypy.core.actor_messages import (
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
from skypy.core.address import INDEX_BITS, Address, format_address, process_number
from skypy.core.errors import ActorDead, MailboxFull, RemoteError
from skypy.core.sessions import Sessions
from skypy.core.values import may_be_shared, pack_arguments, pack_value, unpack_arguments, unpack_value
from skypy.worker.actor import Actor, describe, text_of
from skypy.worker.tasks import start_eagerly
from skypy.worker.waiter import resume, resume_with

if TYPE_CHECKING:
    from skypy.worker.scheduler import Scheduler

ONE_WAY: Final = 0
MAILBOX_BYTES: Final = 67108864
"""What may wait for one actor from inside its worker: as much as may be under way to another worker."""
_LIGHT_MESSAGES: Final = 1000
_LIGHT_BYTES: Final = 65536
"""As long as fewer and shorter ones than these wait in a worker they are not weighed: one turn handles them all."""
_SIZED: Final = frozenset({str, bytes})
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
_LONGEST_TEXT: Final = 100_000
"""Characters of an exception's text or traceback; longer ones are cut."""


class Request:
    """A message that is being handled, and the way back to who sent it."""

    __slots__ = ("actor", "args", "command", "detached", "kwargs", "payload", "session", "source")

    def __init__(
        self,
        source: Address,
        session: int,
        command: str,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] = _NOTHING,
        payload: bytes | None = None,
    ) -> None:
        self.source = source
        self.session = session
        self.command = command
        self.args = args
        self.kwargs = kwargs
        self.payload = payload
        """Packed arguments, which take the place of `args` and `kwargs` when it is handled."""
        self.actor: Actor | None = None
        self.detached = False
        """Whether its reply is somebody else's affair now."""

    @property
    def expects_answer(self) -> bool:
        """Whether the sender waits, and has not been answered."""
        return self.session != ONE_WAY


current_request: Final[contextvars.ContextVar[Request]] = contextvars.ContextVar("skypy_request")


class Messenger:
    """The messages of one worker's actors. `post_to_process(number, message, size)` reaches the others."""

    def __init__(
        self,
        own_process: int,
        end: Callable[[Actor], asyncio.Future[None]],
        actors: Mapping[Address, Actor],
        scheduler: Scheduler,
        post_to_process: Callable[[int, tuple[Any, ...], int], bool],
    ) -> None:
        self._own_process = own_process
        self._end = end
        self._actors = actors
        self._scheduler = scheduler
        self._post_to_process = post_to_process
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
        return self._post(target, source, ONE_WAY, command, args, kwargs)

    def ask(
        self, source: Address, target: Address, command: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[int, asyncio.Future[Any]]:
        """Send a request: its session, to be closed in any case, and the reply.

        Who waits gets what the callee raised as RemoteError, or ActorDead. Raises ActorDead when there is no such
        actor, TypeError and ValueError for bad values, MailboxFull.
        """
        waiter: asyncio.Future[Any] = asyncio.Future(loop=self._scheduler.loop)
        session = self.sessions.open(target, waiter)
        try:
            if not self._post(target, source, session, command, args, kwargs):
                raise ActorDead(target, "there is no such actor")
        except BaseException:
            self.sessions.close(session)
            raise
        return session, waiter

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
            if self._post_to_process(number, (KILL, target, source, session), SMALL):
                await waiter
        except ActorDead:
            pass  # that is what was wanted
        finally:
            del waiter
            self.sessions.close(session)

    def _post(
        self,
        target: Address,
        source: Address,
        session: int,
        command: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> bool:
        number = target >> INDEX_BITS
        if number != self._own_process:
            message, size = actor_messages.request(target, source, session, command, args, kwargs)
            return self._post_to_process(number, message, size)
        request = Request(source, session, command, args, kwargs)
        size = 0
        if not (all(map(may_be_shared, args)) and (not kwargs or _may_all_be_shared(kwargs))):
            request.payload = pack_arguments(args, kwargs)
            size = len(request.payload)
        actor = self._actors.get(target)
        if actor is None or actor.ended is not None:
            return False
        request.actor = actor
        if size > _LIGHT_BYTES or len(self._scheduler.messages) > _LIGHT_MESSAGES:
            self._post_weighed(actor, self._handle, request, size or _size_of_scalars((*args, *kwargs.values())))
        else:
            self._scheduler.post(self._handle, request)
        return True

    def _post_weighed(self, actor: Actor, handle: Callable[[Any], None], message: Any, size: int) -> None:
        """What makes a mailbox full is refused: so it can neither grow without end, nor lose anything."""
        size += OVERHEAD_BYTES
        if actor.mailbox_bytes + size > MAILBOX_BYTES:
            raise MailboxFull(f"{MAILBOX_BYTES} bytes wait for actor {format_address(actor.address)}")
        actor.mailbox_bytes += size
        self._scheduler.post(self._handle_weighed, (actor, size, handle, message))

    @staticmethod
    def _handle_weighed(weighed: tuple[Actor, int, Callable[[Any], None], Any]) -> None:
        actor, size, handle, message = weighed
        actor.mailbox_bytes -= size
        handle(message)

    # -- handling --

    def _handle(self, request: Request) -> None:
        actor = request.actor
        assert actor is not None
        if actor.ended is not None:
            self._answer_dead(request, actor.end_reason)
            return
        if request.session:
            actor.requests.add(request)
        context = actor.context.copy()
        try:
            result = context.run(self._invoke, actor, request)
            if type(result) is not CoroutineType:
                self.reply(request, result)
                return
            task = start_eagerly(self._scheduler.loop, result, name=request.command, context=context)
        except BaseException as error:
            self._failed(request, error)
            return
        if task.done():
            self._task_done(request, task)
        else:
            actor.tasks.add(task)
            task.add_done_callback(lambda task: self._task_done(request, task))

    @staticmethod
    def _invoke(actor: Actor, request: Request) -> Any:
        current_request.set(request)
        if request.payload is not None:
            request.args, request.kwargs = unpack_arguments(request.payload)
            request.payload = None
        handler = actor.commands.get(request.command)
        if handler is not None:
            return handler(*request.args, **request.kwargs)
        if actor.dispatcher is not None:
            return actor.dispatcher(request.source, request.command, *request.args, **request.kwargs)
        known = ", ".join(sorted(actor.commands)) or "none"
        raise LookupError(f'{actor.module.__name__} has no command "{request.command}" (it has: {known})')

    def _task_done(self, request: Request, task: asyncio.Task[Any]) -> None:
        assert request.actor is not None
        request.actor.tasks.discard(task)
        if task.cancelled():
            self._failed(request, asyncio.CancelledError("the handler was cancelled"))
        elif (error := task.exception()) is not None:
            self._failed(request, error)
        else:
            self.reply(request, task.result())

    def _failed(self, request: Request, error: BaseException) -> None:
        """A handler raised: who waits is told; what nobody waits for is logged."""
        assert request.actor is not None
        if request.expects_answer:
            self.fail(request, error)
        elif not isinstance(error, asyncio.CancelledError):  # which is how exit() ends a handler
            request.actor.failed(f'in command "{request.command}" from {format_address(request.source)}', error)

    # -- answering --

    def reply(self, request: Request, value: Any) -> bool:
        """Answer with a value; False when nobody waits. A value that no message carries is the caller's error."""
        if not request.expects_answer:
            return False
        try:
            if request.source >> INDEX_BITS != self._own_process:
                assert request.actor is not None
                return self._answer_process(
                    request, *actor_messages.reply(request.source, request.actor.address, request.session, value)
                )
            if may_be_shared(value):
                return self._answer_shared(request, value)
            payload = pack_value(value)
            return self._answer(request, REPLY_PACKED, payload, size=len(payload) + OVERHEAD_BYTES)
        except Exception as error:
            return self.fail(request, error)

    def fail(self, request: Request, error: BaseException) -> bool:
        """Answer with an exception; False when nobody waits."""
        if not request.expects_answer:
            return False
        return self._answer(request, ERROR, type(error).__qualname__, *map(_short, (text_of(error), describe(error))))

    def fail_all(self, actor: Actor, reason: str) -> None:
        """An actor has ended: whoever still waits for it is told."""
        for request in list(actor.requests):
            self._answer_dead(request, reason)

    def _answer_dead(self, request: Request, reason: str) -> None:
        if request.expects_answer:
            self._answer(request, DEAD, reason)

    def _answer_shared(self, request: Request, value: Any) -> bool:
        """Inside of the worker, with a value that needs no packing. Raises MailboxFull as `_answer` does."""
        assert request.actor is not None
        answer = (request.session, request.actor.address, value)
        caller = self._actors.get(request.source)
        if len(self._scheduler.messages) > _LIGHT_MESSAGES and caller is not None:
            self._post_weighed(caller, self._shared, answer, _size_of_scalars((value,)))
        else:
            self._scheduler.post(self._shared, answer)
        request.actor.requests.discard(request)
        session, request.session = request.session, ONE_WAY
        return session in self.sessions

    def _answer(self, request: Request, kind: int, *fields: Any, size: int = SMALL) -> bool:
        """Raises MailboxFull: the request is as it was then."""
        assert request.actor is not None
        message = (kind, request.source, request.actor.address, request.session, *fields)
        if request.source >> INDEX_BITS != self._own_process:
            return self._answer_process(request, message, size)
        caller = self._actors.get(request.source)
        if size and caller and (size > _LIGHT_BYTES or len(self._scheduler.messages) > _LIGHT_MESSAGES):
            self._post_weighed(caller, self.received, message, _size_of_scalars(fields))
        else:
            self._scheduler.post(self.received, message)
        request.actor.requests.discard(request)
        session, request.session = request.session, ONE_WAY
        return session in self.sessions

    def _answer_process(self, request: Request, message: tuple[Any, ...], size: int) -> bool:
        """The same, to another worker."""
        assert request.actor is not None
        sent = self._post_to_process(request.source >> INDEX_BITS, message, size)
        request.session = ONE_WAY
        request.actor.requests.discard(request)
        return sent

    # -- what arrives --

    def received(self, message: Sequence[Any]) -> None:
        """A message of another worker, or an answer from this one."""
        self._by_kind[message[0]](message)

    def process_died(self, number: int, reason: str) -> None:
        """Every call to an actor of that process fails."""
        for peer, waiter in self.sessions.of_process(number):
            self._scheduler.post(_reject, (waiter, ActorDead(peer, reason)))

    def _request(self, message: Sequence[Any]) -> None:
        _, target, source, session, command, args = message
        self._handle_from_outside(target, Request(source, session, command, args))

    def _packed_request(self, message: Sequence[Any]) -> None:
        _, target, source, session, command, payload = message
        self._handle_from_outside(target, Request(source, session, command, payload=payload))

    def _handle_from_outside(self, target: Address, request: Request) -> None:
        request.actor = self._actors.get(target)
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

    def _shared(self, answer: tuple[int, Address, Any]) -> None:
        session, source, value = answer
        waiter = self.sessions.answered(session, source)
        if waiter is not None:
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
        self._post_to_process(process_number(source), (DEAD, source, target, session, reason), SMALL)


def _resolve(waiter: asyncio.Future[Any], value: Any) -> None:
    if not waiter.done():  # it may have been cancelled since
        resume(waiter, value)


def _reject(told: tuple[asyncio.Future[Any], Exception]) -> None:
    waiter, error = told
    if not waiter.done():
        resume_with(waiter, error)


def _size_of_scalars(values: Sequence[Any]) -> int:
    return sum(len(value) for value in values if value.__class__ in _SIZED)


def _may_all_be_shared(kwargs: Mapping[str, Any]) -> bool:
    return all(map(may_be_shared, kwargs)) and all(map(may_be_shared, kwargs.values()))


def _short(text: str) -> str:
    """What a message can carry of a text."""
    if len(text) > _LONGEST_TEXT:
        text = f"{text[:_LONGEST_TEXT]}... ({len(text)} characters)"
    return text.encode("utf-8", "backslashreplace").decode()
