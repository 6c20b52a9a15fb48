"""The verbs of messages: declaring commands, sending, calling, replying."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar, overload

from skypy.core.address import Address
from skypy.core.errors import ActorDead
from skypy.core.wire.values import pack_arguments
from skypy.worker.actors.actor import UNANSWERED, Request, loading_actor
from skypy.worker.actors.forked_child import FORKED, NOT_IN_A_CHILD
from skypy.worker.messages.handling import current_request
from skypy.worker.messages.replies import Replies
from skypy.worker.tasks.eager import cancellations
from skypy.worker.tasks.first_step import check_callable
from skypy.worker.worker import current_actor

F = TypeVar("F", bound=Callable[..., Any])


# -- hooks --


@overload
def command(function: F, /) -> F: ...
@overload
def command(name: str, /) -> Callable[[F], F]: ...
def command(function_or_name: Any, /) -> Any:
    """Declare a function that other actors call: `@command` by its own name, `@command("set")` by another.

    The function's result is the reply. In a module that was imported in the ordinary way this does nothing. Raises
    RuntimeError when the service has the command already.
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

    Raises TypeError for an object that cannot be called.
    """
    current_actor().dispatcher = check_callable(handler)


# -- asking: an underscore keeps the name free for a keyword of the message, which compiled code does not --


def send(_address: Address | str, _command: str, /, *args: Any, **kwargs: Any) -> bool:
    """Send a message that needs no answer; return False if the address is known to be dead, or no actor has the name.

    Raises TypeError or ValueError for values that no message carries, MailboxFull when too much is under way.
    """
    actor = current_actor()
    worker = actor.worker
    if type(_command) is not str or not _command.isascii():
        _check_command(_command)
    if type(_address) is not int:
        try:
            _address = worker.directory.resolve(_address)
        except ActorDead:
            pack_arguments(args, kwargs)  # bad values raise now, not as soon as an actor has the name
            return False
    return worker.calls.send(actor.address, _address, _command, args, kwargs)


async def call(_address: Address | str, _command: str, /, *args: Any, **kwargs: Any) -> Any:
    """Send a request and return the reply. For a time limit use `async with asyncio.timeout(seconds)`.

    Raises RemoteError (the callee's exception), ActorDead (the callee has ended, or its process has died), MailboxFull,
    and TypeError or ValueError for values that no message carries.
    """
    actor = current_actor()
    worker = actor.worker
    calls = worker.calls
    if type(_command) is not str or not _command.isascii():
        _check_command(_command)
    if type(_address) is not int:
        _address = worker.directory.resolve(_address)
    request = calls.ask(actor.address, _address, _command, args, kwargs)
    if request.answer is not UNANSWERED:
        if cancellations(worker.loop):
            await asyncio.sleep(0)  # raises, as any wait would
        return request.answer
    assert request.waiter is not None
    try:
        return await request.waiter
    except BaseException:
        calls.give_up(request)
        raise
    finally:
        del request  # its waiter has the exception, whose traceback has this frame


def _check_command(command: str) -> None:
    if not isinstance(command, str):
        raise TypeError(f"a command is a str, not {type(command).__name__}")
    if not command.isascii():
        command.encode()  # raises UnicodeEncodeError, a ValueError, for what no message carries


# -- answering --


class Response:
    """The detached reply of a request: `response(value)` or `response.fail(exception)`, once.

    A second use raises RuntimeError.
    """

    __slots__ = ("_replies", "_request", "_used")

    def __init__(self, replies: Replies, request: Request) -> None:
        self._replies = replies
        self._request = request
        self._used = False

    def __call__(self, value: Any = None) -> bool:
        """Reply with a value; return False when the caller is known to wait no more."""
        self._use()
        return self._replies.reply(self._request, value)

    def fail(self, exception: BaseException) -> bool:
        """Let the caller get RemoteError; return False when the caller is known to wait no more."""
        self._use()
        return self._replies.fail(self._request, exception)

    def _use(self) -> None:
        actor = self._request.actor
        if actor is not None and actor.thread_id == FORKED:
            raise RuntimeError(NOT_IN_A_CHILD)
        if self._used:
            raise RuntimeError("this response has been used already")
        self._used = True


def response() -> Response:
    """Detach the reply of the current request: not the handler's result is sent, but the value for `response(value)`.

    A response that is never used fails its caller when the actor ends. Raises RuntimeError when no request is being
    handled, and when its reply has been detached already.
    """
    request = _request()
    if request.detached:
        raise RuntimeError("the reply of this request has been detached already: it has one response")
    replies = current_actor().worker.replies
    return Response(replies, replies.detach(request))


def source() -> Address:
    """Return the address of the actor whose message is being handled. Raises RuntimeError outside of a handler."""
    return _request().source


def _request() -> Request:
    request = current_request.get(None)
    if request is None or request.actor is not current_actor():
        raise RuntimeError("no message is being handled here")
    return request
