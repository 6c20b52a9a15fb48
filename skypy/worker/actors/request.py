"""A request on its way: what was asked, by whom, and where the answer goes."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from skypy.core.address import Address
from skypy.core.wire.values import unpack_arguments

if TYPE_CHECKING:
    from skypy.worker.actors.actor import Actor

# -- who waits for the answer: the session with another worker, or --
NOBODY: Final = 0
HERE: Final = -1
"""A task of this worker: it waits on `waiter`."""

UNANSWERED: Final = object()


class Request:
    """A message that is being handled, and the way back to who sent it."""

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
        """Who handles it; None while that is another worker's affair."""
        self.source = source
        self.session = session
        """NOBODY as well when it has been answered."""
        self.command = command
        self.args = args
        self.kwargs = kwargs
        """None as long as `args` are packed, with the keyword arguments in them."""
        self.waiter: asyncio.Future[Any] | None = None
        """None while the caller's task still runs: it finds the answer in `answer`, or begins to wait."""
        self.answer: Any = UNANSWERED
        self.size = 0
        """Bytes that are counted in a mailbox as long as it, or its answer, waits there."""
        self.detached = False
        """Whether its reply is somebody else's affair now."""


current_request: Final[contextvars.ContextVar[Request]] = contextvars.ContextVar("skypy_request")


def call_handler(actor: Actor, request: Request) -> Any:
    """What the handler of a request returns. To be called in the context that the handler runs in."""
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
