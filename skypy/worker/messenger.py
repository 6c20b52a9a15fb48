"""Messages between actors: send, call, and the replies.

Whatever two actors say to each other is checked and copied where it is sent, so it means the same inside a worker and
across workers. A handler's task starts in the order in which messages arrived.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from skypy.core.address import Address, format_address, process_number
from skypy.core.errors import ActorDead, RemoteError
from skypy.core.sessions import Sessions
from skypy.core.values import copy_value, pack_value, unpack_value
from skypy.worker.actor import Actor, Life, describe
from skypy.worker.tasks import start_eagerly
from skypy.worker.waiter import Waiter

if TYPE_CHECKING:
    from skypy.worker.scheduler import Scheduler

# -- worker ↔ worker: what the bus carries; the first fields are destination and source --
REQUEST: Final = 1  # destination, source, session (0: nobody waits), command, packed [arguments, keyword arguments]
REPLY: Final = 2  # destination, source, session, packed value
ERROR: Final = 3  # destination, source, session, name of the exception's type, text, traceback
DEAD: Final = 4  # destination, source, session, reason
KILL: Final = 5  # destination, source, session

ONE_WAY: Final = 0
_OVERHEAD_BYTES: Final = 64
"""What a message costs on the bus besides its payload, for the budget."""


class Request:
    """A message that is being handled, and the way back to who sent it."""

    __slots__ = ("actor", "args", "command", "kwargs", "session", "source")

    def __init__(
        self, source: Address, session: int, command: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> None:
        self.source = source
        self.session = session
        self.command = command
        self.args = args
        self.kwargs = kwargs
        self.actor: Actor | None = None

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
        self.sessions: Sessions[Waiter[Any]] = Sessions()
        self._from_bus: dict[int, Callable[..., None]] = {
            REQUEST: self._remote_request,
            REPLY: self._remote_reply,
            ERROR: self._remote_error,
            DEAD: self._remote_dead,
            KILL: self._remote_kill,
        }

    # -- asking --

    def send(self, source: Address, target: Address, command: str, args: Sequence[Any], kwargs: dict[str, Any]) -> bool:
        """One way. False when the target is known to be dead. Raises TypeError, ValueError for bad values."""
        return self._post(target, Request(source, ONE_WAY, command, args, kwargs))

    async def call(
        self, source: Address, target: Address, command: str, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> Any:
        """The reply. Raises what the callee raised as RemoteError, and ActorDead."""
        waiter: Waiter[Any] = Waiter(self._scheduler.loop)
        session = self.sessions.open(target, waiter)
        try:
            if not self._post(target, Request(source, session, command, args, kwargs)):
                raise ActorDead(target, "there is no such actor")
            return await waiter
        finally:
            self.sessions.close(session)

    async def kill(self, source: Address, target: Address) -> None:
        """End an actor, here or elsewhere; returns when it has ended, or was dead already."""
        number = process_number(target)
        if number == self._own_process:
            actor = self._actors.get(target)
            if actor is not None:
                await asyncio.shield(self._end(actor))
            return
        waiter: Waiter[Any] = Waiter(self._scheduler.loop)
        session = self.sessions.open(target, waiter)
        try:
            if self._post_to_process(number, (KILL, target, source, session), _OVERHEAD_BYTES):
                await waiter
        except ActorDead:
            pass  # that is what was wanted
        finally:
            self.sessions.close(session)

    def _post(self, target: Address, request: Request) -> bool:
        number = process_number(target)
        if number != self._own_process:
            payload = pack_value([request.args, request.kwargs])
            message = (REQUEST, target, request.source, request.session, request.command, payload)
            return self._post_to_process(number, message, len(payload) + _OVERHEAD_BYTES)
        actor = self._actors.get(target)
        if actor is None or actor.life is Life.ENDED:
            return False
        request.args = [copy_value(value) for value in request.args]
        if request.kwargs:
            request.kwargs = {key: copy_value(value) for key, value in request.kwargs.items()}
        request.actor = actor
        self._scheduler.post(self._handle, request)
        return True

    # -- handling --

    def _handle(self, request: Request) -> None:
        actor = request.actor
        assert actor is not None
        if actor.life in (Life.ENDING, Life.ENDED):
            self._answer_dead(request, "it has ended")
            return
        if request.session:
            actor.requests.add(request)
        context = actor.context.copy()
        try:
            result = context.run(self._invoke, actor, request)
            if not inspect.iscoroutine(result):
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
            if request.actor.life is Life.RUNNING:
                self.fail(request, "CancelledError", "the handler was cancelled", "")
        elif (error := task.exception()) is not None:
            self._failed(request, error)
        else:
            self.reply(request, task.result())

    def _failed(self, request: Request, error: BaseException) -> None:
        """A handler raised: who waits is told; what nobody waits for is logged."""
        assert request.actor is not None
        if request.expects_answer:
            self.fail(request, type(error).__qualname__, str(error), describe(error))
        else:
            request.actor.failed(f'in command "{request.command}" from {format_address(request.source)}', error)

    # -- answering --

    def reply(self, request: Request, value: Any) -> bool:
        """Answer with a value; False when nobody waits. A value that no message carries is the caller's error."""
        if not self._take_answer(request):
            return False
        session = request.session
        request.session = ONE_WAY
        try:
            is_here = process_number(request.source) == self._own_process
            value = copy_value(value) if is_here else pack_value(value)
        except (TypeError, ValueError) as error:
            request.session = session
            return self.fail(request, type(error).__qualname__, str(error), traceback.format_exc())
        return self._answer((REPLY, request.source, _address(request), session, value))

    def fail(self, request: Request, type_name: str, text: str, trace: str) -> bool:
        """Answer with an exception."""
        if not self._take_answer(request):
            return False
        session, request.session = request.session, ONE_WAY
        return self._answer((ERROR, request.source, _address(request), session, type_name, text, trace))

    def fail_all(self, actor: Actor, reason: str) -> None:
        """An actor has ended: whoever still waits for it is told."""
        for request in list(actor.requests):
            self._answer_dead(request, reason)

    def _answer_dead(self, request: Request, reason: str) -> None:
        if self._take_answer(request):
            session, request.session = request.session, ONE_WAY
            self._answer((DEAD, request.source, _address(request), session, reason))

    @staticmethod
    def _take_answer(request: Request) -> bool:
        if request.actor is not None:
            request.actor.requests.discard(request)
        return request.expects_answer

    def _answer(self, message: tuple[Any, ...]) -> bool:
        number = process_number(message[1])
        if number != self._own_process:
            return self._post_to_process(number, message, len(message[-1]) + _OVERHEAD_BYTES)
        kind, _, peer, session, *fields = message
        if kind == REPLY:
            return self._resolve(peer, session, fields[0])
        return self._reject(peer, session, RemoteError(*fields) if kind == ERROR else ActorDead(peer, fields[0]))

    def _resolve(self, peer: Address, session: int, value: Any) -> bool:
        waiter = self.sessions.answered(session, peer)
        if waiter is None or waiter.done():
            return False
        waiter.set_result(value)
        return True

    def _reject(self, peer: Address, session: int, error: Exception) -> bool:
        waiter = self.sessions.answered(session, peer)
        if waiter is None or waiter.done():
            return False
        waiter.set_exception(error)
        return True

    # -- the bus --

    def received(self, message: Sequence[Any]) -> None:
        """A message of another worker."""
        self._from_bus[message[0]](*message[1:])

    def process_died(self, number: int, reason: str) -> None:
        """Every call to an actor of that process fails."""
        for peer, waiter in self.sessions.of_process(number):
            if not waiter.done():
                waiter.set_exception(ActorDead(peer, reason))

    def _remote_request(self, target: Address, source: Address, session: int, command: str, payload: bytes) -> None:
        request = Request(source, session, command, (), {})
        request.actor = self._actors.get(target)
        if request.actor is None:
            if session:
                dead = (DEAD, source, target, session, "there is no such actor")
                self._post_to_process(process_number(source), dead, _OVERHEAD_BYTES)
            return
        request.args, request.kwargs = unpack_value(payload)
        self._scheduler.post(self._handle, request)

    def _remote_reply(self, target: Address, source: Address, session: int, payload: bytes) -> None:
        del target
        self._resolve(source, session, unpack_value(payload))

    def _remote_error(self, target: Address, source: Address, session: int, *fields: str) -> None:
        del target
        self._reject(source, session, RemoteError(*fields))

    def _remote_kill(self, target: Address, source: Address, session: int) -> None:
        def killed(_: object = None) -> None:
            dead = (DEAD, source, target, session, "it was killed")
            self._post_to_process(process_number(source), dead, _OVERHEAD_BYTES)

        actor = self._actors.get(target)
        if actor is None:
            killed()
        else:
            self._end(actor).add_done_callback(killed)

    def _remote_dead(self, target: Address, source: Address, session: int, reason: str) -> None:
        del target
        self._reject(source, session, ActorDead(source, reason))


def _address(request: Request) -> Address:
    assert request.actor is not None
    return request.actor.address
