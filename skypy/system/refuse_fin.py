"""A socket filter that keeps a connection which was finished here out of TIME_WAIT."""

from __future__ import annotations

import ctypes
import socket
import struct
from typing import Final

_ATTACH_FILTER: Final = 26  # SO_ATTACH_FILTER of asm-generic/socket.h, which the socket module does not name
_LOAD_BYTE, _JUMP_IF_SET, _RETURN = 0x30, 0x45, 0x06  # of linux/bpf_common.h
_FLAGS_OFFSET, _FIN = 13, 0x01  # in a TCP header, RFC 9293 3.1


def _instruction(code: int, if_true: int, if_false: int, value: int) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


_PROGRAM: Final = ctypes.create_string_buffer(
    _instruction(_LOAD_BYTE, 0, 0, _FLAGS_OFFSET)
    + _instruction(_JUMP_IF_SET, 0, 1, _FIN)
    + _instruction(_RETURN, 0, 0, 0)  # drop it
    + _instruction(_RETURN, 0, 0, 0xFFFFFFFF)
)
_FILTER: Final = struct.pack("@HP", 4, ctypes.addressof(_PROGRAM))


def refuse_fin(socket_: socket.SocketType) -> None:
    """Let the kernel drop the peer's FIN, which would put a connection that was finished here into TIME_WAIT at once.

    A peer that closes as soon as it sees this side's FIN is faster than any program that waits for FIN_WAIT2. Without
    the peer's FIN the connection stays in FIN_WAIT until the peer has acknowledged everything, this side's FIN
    included, and can then be reset: the peer has every byte and a clean end. The filter needs no privilege.
    """
    socket_.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, _FILTER)
