"""The facts that can be seen of a socket from outside, and the kernel's part of them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any, Final, Literal, NamedTuple

_FIELDS: Final = struct.Struct("=44xI4xI64xQQ")  # of Linux' `struct tcp_info`, the few that skypy looks at
TCP_INFO_SIZE: Final = _FIELDS.size
"""The number of bytes to ask getsockopt(TCP_INFO) for."""


@dataclass(frozen=True, slots=True)
class SocketInfo:
    """One socket at one moment. Sizes are bytes, ages seconds.

    `queued` counts the bytes that were written and that the peer has not acknowledged; `unread` those that have arrived
    and were not read. For a listening socket `received` counts accepted clients, and the rest is empty.
    """

    id: int
    kind: Literal["connection", "listener"]
    state: str
    """A state of the table of connections: "OPEN", "HALF_CLOSED_READ", "CLOSING", ...; "LISTENING" for a listener."""
    owner: int
    """The address of the actor that started the socket last, 0 before."""
    local: str
    peer: str
    received: int = 0
    sent: int = 0
    queued: int = 0
    unread: int = 0
    last_received: float = 0.0
    """The time since data last came from the peer; since the connection was made, if none ever did."""
    last_sent: float = 0.0

    def to_plain(self) -> tuple[Any, ...]:
        """Return the fields in the form that a message carries."""
        return astuple(self)

    @classmethod
    def from_plain(cls, fields: Sequence[Any]) -> SocketInfo:
        """Make an object from the fields of `to_plain`."""
        return cls(*fields)


class TcpInfo(NamedTuple):
    """The kernel's facts about a TCP connection.

    Positions count bytes since the connection was made, as the two kernels have agreed on them.
    """

    last_data_sent_seconds: float
    """The time since the kernel last sent data; since the connection was made, if it never did."""
    last_data_received_seconds: float
    acknowledged: int
    """A SYN of ours and a FIN count one each."""
    received: int
    """Unread bytes and the peer's FIN are included."""

    @classmethod
    def parse(cls, data: bytes) -> TcpInfo:
        """Read the bytes of getsockopt(TCP_INFO)."""
        sent_milliseconds, received_milliseconds, acknowledged, received = _FIELDS.unpack(data[:TCP_INFO_SIZE])
        return cls(sent_milliseconds / 1000, received_milliseconds / 1000, acknowledged, received)
