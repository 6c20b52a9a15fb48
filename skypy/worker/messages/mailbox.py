"""The limit of the messages that wait for an actor from inside its worker.

A message that would exceed the limit is refused at its sender: so a mailbox neither grows without end nor loses
a message.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from skypy.core.address import format_address
from skypy.core.errors import MailboxFull
from skypy.core.wire.bus import OVERHEAD_BYTES
from skypy.core.wire.values import pack_arguments, shared_bytes
from skypy.worker.actors.actor import Actor, Request

MAILBOX_BYTES: Final = 67108864
"""The bytes that may wait for one actor from inside its worker: as many as may be under way to another worker."""
LIGHT_MESSAGES: Final = 1000
LIGHT_BYTES: Final = 65536
"""Messages are not weighed as long as fewer and shorter ones than these wait in a worker: one turn handles them all."""


def pack_and_weigh(
    request: Request, args: Sequence[Any], kwargs: Mapping[str, Any], *, shared: bool, waiting: int
) -> None:
    """Give a request its arguments, packed unless they can be `shared`, and weigh it if need be.

    `waiting` is the number of messages that wait in this worker. Raises TypeError and ValueError for values that no
    message carries, MailboxFull.
    """
    if shared:
        size = shared_bytes(args)
        if kwargs:
            size += shared_bytes(kwargs.values())
    else:
        request.args, request.kwargs = payload, _ = pack_arguments(args, kwargs), None
        size = len(payload)
    if size > LIGHT_BYTES or waiting > LIGHT_MESSAGES:
        assert request.actor is not None
        weigh(request, request.actor, size)


def weigh(request: Request, actor: Actor, size: int) -> None:
    """Count a request, or its answer, in the mailbox of `actor`. Raises MailboxFull."""
    size += OVERHEAD_BYTES
    if actor.mailbox_bytes + size > MAILBOX_BYTES:
        raise MailboxFull(f"{MAILBOX_BYTES} bytes wait for actor {format_address(actor.address)}")
    actor.mailbox_bytes += size
    request.size = size
