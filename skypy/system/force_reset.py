"""A TCP reset that is sent at once, even if another process holds a duplicate of the descriptor."""

from __future__ import annotations

import ctypes
import socket
import struct
from typing import Final

_libc: Final = ctypes.CDLL(None, use_errno=True)
_UNSPECIFIED: Final = struct.pack("H14x", socket.AF_UNSPEC)


def force_reset(descriptor: int) -> None:
    """Reset a connection by connect(AF_UNSPEC), which dissolves it (connect(2)); the socket module cannot express it.

    SO_LINGER {1, 0} would wait for the last close, and the owner's worker holds a duplicate. A connection that has
    ended meanwhile needs no reset, so errors are ignored.
    """
    _libc.connect(descriptor, _UNSPECIFIED, len(_UNSPECIFIED))
