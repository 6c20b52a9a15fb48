"""The descriptors of skypy, told from those of the code of services by what the kernel knows of them.

A worker's own account would not do: another thread may fork between the arrival of a descriptor and its entry.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from typing import Final

_MARK: Final = struct.pack("@ll", 1_397_443, 0)  # a struct timeval of 16 days, which no program asks for
_CREDENTIALS: Final = struct.Struct("@3i")  # the struct ucred: process, user, group
_INT: Final = struct.Struct("@i")
_STANDARD_DESCRIPTORS: Final = 3
_MOST_DESCRIPTORS: Final = 65536
"""The numbers that are tried where there is no /proc."""


def mark(socket_: socket.SocketType) -> None:
    """Mark a TCP socket as skypy's, for every process that has a descriptor of it; a listener's clients inherit this.

    The mark is a timeout of sending, which has no meaning for sockets that do not block.
    """
    socket_.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _MARK)


def maker_of_pair(socket_descriptor: int) -> int:
    """Return the id of the process that has made a pair of Unix-domain sockets, of which this is one."""
    process_id: int = _CREDENTIALS.unpack(_option(socket_descriptor, socket.SO_PEERCRED, _CREDENTIALS.size))[0]
    return process_id


def close_descriptors_of_skypy(node_process_id: int) -> None:
    """Close every TCP socket that has the mark, and every lane: the node has made them all."""
    for descriptor in _open_descriptors():
        with contextlib.suppress(OSError):  # it is no socket, or the descriptor of the listing itself
            (family,) = _INT.unpack(_option(descriptor, socket.SO_DOMAIN, _INT.size))
            if family == socket.AF_UNIX:
                is_of_skypy = maker_of_pair(descriptor) == node_process_id
            else:
                is_of_skypy = _option(descriptor, socket.SO_SNDTIMEO, len(_MARK)) == _MARK
            if is_of_skypy:
                os.close(descriptor)


def _option(descriptor: int, name: int, size: int) -> bytes:
    # With the family, the type and the protocol given, the class does not ask the kernel for them.
    borrowed = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fileno=descriptor)
    try:
        return borrowed.getsockopt(socket.SOL_SOCKET, name, size)
    finally:
        borrowed.detach()


def _open_descriptors() -> list[int]:
    try:
        found = list(map(int, os.listdir("/proc/self/fd")))
    except OSError:
        found = list(range(_MOST_DESCRIPTORS))
    return [descriptor for descriptor in found if descriptor >= _STANDARD_DESCRIPTORS]
