"""What the kernel knows of a TCP connection: the few fields of Linux' `struct tcp_info` that skypy looks at."""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

_FIELDS: Final = struct.Struct("=44xI4xI64xQQ")
SIZE: Final = _FIELDS.size
"""Bytes to ask for."""


class TcpInfo(NamedTuple):
    """Positions count bytes since the connection was made, as the two kernels have agreed on them."""

    last_data_sent_seconds: float
    """How long ago the kernel last sent data; since the connection was made, if it never did."""
    last_data_received_seconds: float
    acknowledged: int
    """A SYN of ours and a FIN count one each."""
    received: int
    """What is still unread and the peer's FIN included."""

    @classmethod
    def parse(cls, data: bytes) -> TcpInfo:
        """From the bytes of getsockopt(TCP_INFO)."""
        sent_milliseconds, received_milliseconds, acknowledged, received = _FIELDS.unpack(data[:SIZE])
        return cls(sent_milliseconds / 1000, received_milliseconds / 1000, acknowledged, received)
