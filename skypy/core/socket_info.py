"""What can be seen of a socket from outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class SocketInfo:
    """One socket at one moment. Sizes are bytes, ages seconds.

    `queued` is what was written and the peer has not acknowledged; `unread` what has arrived and nobody has read. For a
    listening socket `received` counts accepted clients, and the rest is empty.
    """

    id: int
    kind: Literal["connection", "listener"]
    state: str
    """As in the table of connections: "OPEN", "HALF_CLOSED_READ", "CLOSING", ...; "LISTENING" for a listener."""
    owner: int
    """Address of the actor that started it last, 0 before."""
    local: str
    peer: str
    received: int = 0
    sent: int = 0
    queued: int = 0
    unread: int = 0
    last_received: float = 0.0
    """How long ago data last came from the peer; since the connection was made, if none ever did."""
    last_sent: float = 0.0

    def to_plain(self) -> tuple[Any, ...]:
        """The fields as a message carries them."""
        return astuple(self)

    @classmethod
    def from_plain(cls, fields: Sequence[Any]) -> SocketInfo:
        """The opposite of `to_plain`."""
        return cls(*fields)
