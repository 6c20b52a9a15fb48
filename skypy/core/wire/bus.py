"""The words of the bus: messages between actors of different workers.

A message is a tuple: its kind, the destination, the source, then its fields. It is packed with its batch, at the end of
a turn. Values that cannot change until then go into the tuple as they are, and are packed once. Others are packed when
they are sent, and travel as bytes that are unpacked where the message is handled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from skypy.core.address import Address
from skypy.core.wire.socket_lane import Message
from skypy.core.wire.values import pack_arguments, pack_value, shared_bytes

REQUEST: Final = 1  # destination, source, session (0: no answer is wanted), command, arguments
REQUEST_PACKED: Final = 2  # destination, source, session, command, packed arguments and keyword arguments
REPLY: Final = 3  # destination, source, session, value
REPLY_PACKED: Final = 4  # destination, source, session, packed value
ERROR: Final = 5  # destination, source, session, name of the exception's type, text, traceback
DEAD: Final = 6  # destination, source, session, reason
KILL: Final = 7  # destination, source, session (0: no answer is wanted)

OVERHEAD_BYTES: Final = 256
"""The bytes that are counted for a waiting message besides its values."""
SMALL: Final = 0
"""The size of answers and the like, which are never refused: else the caller would wait for ever."""


def request(
    target: Address,
    source: Address,
    session: int,
    command: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> tuple[Message, int]:
    """Return a request and its size in bytes. Raises TypeError and ValueError for values that no message carries."""
    size = -1 if kwargs else shared_bytes(args)
    if size >= 0:
        message: Message = (REQUEST, target, source, session, command, args)
    else:
        payload = pack_arguments(args, kwargs)
        size = len(payload)
        message = (REQUEST_PACKED, target, source, session, command, payload)
    return message, size + len(command) + OVERHEAD_BYTES


def reply(target: Address, source: Address, session: int, value: Any) -> tuple[Message, int]:
    """Return a reply and its size in bytes. Raises TypeError and ValueError for a value that no message carries."""
    size = shared_bytes((value,))
    if size >= 0:
        return (REPLY, target, source, session, value), size + OVERHEAD_BYTES
    payload = pack_value(value)
    return (REPLY_PACKED, target, source, session, payload), len(payload) + OVERHEAD_BYTES
