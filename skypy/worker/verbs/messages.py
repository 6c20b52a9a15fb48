"""The verbs of messages: starting services, sending, calling, replying, names."""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Literal, TypeVar, overload

from skypy.core.address import Address
from skypy.core.errors import ActorDead, RemoteError, ServiceError
from skypy.core.names import check_name
from skypy.core.wire.control_lane import NEW_SERVICE, QUERY_SERVICE, REGISTER, UNIQUE_SERVICE
from skypy.core.wire.values import pack_arguments
from skypy.worker.actors.actor import current_actor, loading_actor
from skypy.worker.actors.request import UNANSWERED, Request, current_request
from skypy.worker.messages.messenger import Messenger
from skypy.worker.services.loader import check_service_name
from skypy.worker.services.reservations import LAUNCH, launcher_of
from skypy.worker.tasks.eager import cancellations
from skypy.worker.tasks.first_step import check_callable
from skypy.worker.tasks.waiter import Waiter

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


# -- hooks --


@overload
def command(function: F, /) -> F: ...
@overload
def command(name: str, /) -> Callable[[F], F]: ...
def command(function_or_name: Any, /) -> Any:
    """Declare a function that other actors call: `@command` by its own name, `@command("set")` by another.

    What it returns is the reply. Raises RuntimeError when the service has that command already. In a module that was
    imported in the ordinary way it does nothing.
    """
    if isinstance(function_or_name, str):
        return lambda function: _declare(function_or_name, function)
    return _declare(function_or_name.__name__, function_or_name)


def _declare(name: str, function: F) -> F:
    actor = loading_actor(function)
    if actor is not None:
        if name in actor.commands:
            raise RuntimeError(f'the service has two functions for the command "{name}"')
        actor.commands[name] = function
    return function


def dispatch(handler: Callable[..., Any]) -> None:
    """Install `handler(source, command, /, *args, **kwargs)` for every command that has no function of its own.

    Raises TypeError for what cannot be called.
    """
    current_actor().dispatcher = check_callable(handler)


# -- services --


async def newservice(
    name: str,
    /,
    *args: Any,
    worker: int | Literal["here"] | None = None,
    restart: Literal["temporary"] = "temporary",
) -> Address:
    """Start a service; its address once its start function has finished.

    `worker`: None the one with the fewest actors, "here" the caller's own, an int (from 1) that one.
    Raises ServiceError with the cause if it failed or exited meanwhile; TypeError, ValueError for bad arguments.
    """
    actor = current_actor()
    if restart != "temporary":
        raise ValueError(f'restart="{restart}" is not supported: a service that ends stays ended ("temporary")')
    check_service_name(name)
    packed = pack_arguments(args, {})
    own = actor.worker
    if worker == "here":
        return await own.launch(name, packed)
    if worker is None:
        number = await own.places.take()
        if number == own.process_number:
            return await own.launch(name, packed, number)
        return await _launch_elsewhere(number, name, packed, own.process_number)
    _check_worker(worker, own.settings.workers)
    address: Address = await own.node_link.ask(NEW_SERVICE, worker, name, packed)
    return address


async def _launch_elsewhere(number: int, name: str, packed_arguments: bytes, asker: int) -> Address:
    try:
        address: Address = await call(launcher_of(number), LAUNCH, name, packed_arguments, asker)
    except RemoteError as error:
        raise ServiceError(error.text) from None
    except ActorDead as error:
        raise ServiceError(error.reason.replace("its process", "its worker")) from None
    return address


def _check_worker(worker: object, workers: int) -> None:
    if not isinstance(worker, int):
        raise TypeError(f'worker={worker!r}: it is None, "here" or the number of a worker')
    if not 1 <= worker <= workers:
        raise ServiceError(f"there is no worker {worker}: this node has workers 1 to {workers}")


async def uniqueservice(name: str, /, *args: Any) -> Address:
    """The one instance of a service in this node: started by the first who asks. Raises ServiceError if that fails."""
    return await _unique(UNIQUE_SERVICE, name, pack_arguments(args, {}))


async def queryservice(name: str, /) -> Address:
    """The one instance of a service in this node; waits until it exists. Raises ServiceError if its start fails."""
    return await _unique(QUERY_SERVICE, name)


async def _unique(verb: str, name: str, *arguments: Any) -> Address:
    check_service_name(name)
    address: Address = await current_actor().worker.node_link.ask(verb, name, *arguments)
    return address


# -- messages: an underscore keeps the name free for a keyword of the message, which compiled code does not --


def send(_address: Address | str, _command: str, /, *args: Any, **kwargs: Any) -> bool:
    """One way. False if the address is known to be dead, or nobody has the name.

    Raises TypeError or ValueError for values that no message carries, MailboxFull when too much is under way.
    """
    actor = current_actor()
    worker = actor.worker
    if type(_command) is not str or not _command.isascii():
        _check_command(_command)
    if type(_address) is not int:
        try:
            _address = worker.resolve(_address)
        except ActorDead:  # nobody has the name
            pack_arguments(args, kwargs)  # bad values are told at once, not when somebody is there
            return False
    return worker.messenger.send(actor.address, _address, _command, args, kwargs)


async def call(_address: Address | str, _command: str, /, *args: Any, **kwargs: Any) -> Any:
    """The reply.

    Raises RemoteError (the callee's exception), ActorDead (it has ended, or its process has died), MailboxFull, and
    TypeError or ValueError for values that no message carries. Time limits are `async with asyncio.timeout(seconds)`.
    """
    actor = current_actor()
    worker = actor.worker
    messenger = worker.messenger
    if type(_command) is not str or not _command.isascii():
        _check_command(_command)
    if type(_address) is not int:
        _address = worker.resolve(_address)
    request = messenger.ask(actor.address, _address, _command, args, kwargs)
    if request.answer is not UNANSWERED:
        if cancellations(worker.loop):
            await asyncio.sleep(0)  # raises, as any wait would
        return request.answer
    assert request.waiter is not None
    try:
        return await request.waiter
    except BaseException:
        messenger.give_up(request)
        raise
    finally:
        del request  # its waiter has the exception, whose traceback has this frame


def _check_command(command: str) -> None:
    if not isinstance(command, str):
        raise TypeError(f"a command is a str, not {type(command).__name__}")
    if not command.isascii():
        command.encode()  # raises UnicodeEncodeError, a ValueError, for what no message carries


class Response:
    """The detached reply of a request: `response(value)` or `response.fail(exception)`, once.

    A second use raises RuntimeError.
    """

    __slots__ = ("_request", "_used")

    def __init__(self, request: Request) -> None:
        self._request = request
        self._used = False

    def __call__(self, value: Any = None) -> bool:
        """Reply; False when nobody waits any more."""
        return self._use().reply(self._request, value)

    def fail(self, exception: BaseException) -> bool:
        """Let the caller get RemoteError; False when nobody waits any more."""
        return self._use().fail(self._request, exception)

    def _use(self) -> Messenger:
        if self._used:
            raise RuntimeError("this response has been used already")
        self._used = True
        assert self._request.actor is not None
        return self._request.actor.worker.messenger


def response() -> Response:
    """Detach the reply of the current request: what the handler returns is not sent, `response(value)` is.

    One that is never used fails its caller when the actor ends. Raises RuntimeError when there is no request, and when
    its reply has been detached already.
    """
    request = _request()
    if request.detached:
        raise RuntimeError("the reply of this request has been detached already: it has one response")
    assert request.actor is not None
    return Response(request.actor.worker.messenger.detach(request))


def source() -> Address:
    """Who sent the message that is being handled. Raises RuntimeError outside of a handler."""
    return _request().source


def _request() -> Request:
    request = current_request.get(None)
    if request is None or request.actor is not current_actor():
        raise RuntimeError("no message is being handled here")
    return request


# -- names --


def register(name: str) -> None:
    """Give the current actor a name of this node, `.name`. Raises NameTaken, ValueError."""
    actor = current_actor()
    check_name(name)
    actor.worker.node_link.ask_now(REGISTER, name, actor.address)
    actor.worker.named(name, actor.address)


def query(name: str) -> Address | None:
    """The address behind `.name`, or None when nobody has it."""
    return current_actor().worker.find(name)


def address(text: str) -> Address:
    """The address that a text means: `:0100000a`, or `.name`. Raises ValueError, ActorDead when nobody has the name."""
    return current_actor().worker.resolve(text)


# -- the end of others --


async def kill(address: Address | str) -> None:
    """End an actor, as exit() would, and wait until it has ended. Harmless when it has ended already."""
    actor = current_actor()
    worker = actor.worker
    await worker.kill(actor, worker.resolve(address))


# -- critical sections --


class Queue:
    """A critical section of an actor: one task at a time, in the order in which they came; re-entrant in one task."""

    __slots__ = ("_depth", "_holder", "_waiting")

    def __init__(self) -> None:
        self._holder: asyncio.Task[Any] | None = None
        self._depth = 0
        self._waiting: deque[tuple[asyncio.Task[Any], Waiter[None]]] = deque()

    async def __aenter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        if self._holder is None:
            self._holder = task
        elif self._holder is not task:
            await self._wait(task)
        self._depth += 1

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._depth -= 1
        if not self._depth:
            self._pass_on()

    async def __call__(self, _function: Callable[..., T | Awaitable[T]], /, *args: Any, **kwargs: Any) -> T:
        """Run a function, plain or coroutine, in the section."""
        async with self:
            result = _function(*args, **kwargs)
            return await result if inspect.isawaitable(result) else result

    async def _wait(self, task: asyncio.Task[Any]) -> None:
        waiter: Waiter[None] = Waiter(current_actor().worker.loop)
        entry = (task, waiter)
        self._waiting.append(entry)
        try:
            await waiter
        except BaseException:
            if self._holder is task:  # it was passed on to us while we were being cancelled
                self._pass_on()
            elif entry in self._waiting:  # or we were passed over
                self._waiting.remove(entry)
            raise

    def _pass_on(self) -> None:
        self._holder = None
        while self._waiting:
            task, waiter = self._waiting.popleft()
            if not waiter.done():
                self._holder = task
                current_actor().worker.scheduler.wake(waiter)
                return


def queue() -> Queue:
    """A critical section: `async with lock`, or `await lock(function, *args)` (skynet.queue)."""
    return Queue()
