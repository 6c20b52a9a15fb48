"""What the socket service asks of the operating system besides."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import termios
from typing import Final

from skypy.kernel import Kernel
from skypy.net.force_reset import force_reset


class SocketKernel(Kernel):
    """The calls of the service."""

    def stream_socket(self, family: int) -> socket.socket:
        """A new TCP socket that does not block. Raises OSError."""
        return socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)

    def force_reset(self, end: socket.socket) -> None:
        """End a connection with RST at once, whoever else holds a duplicate."""
        force_reset(end.fileno())

    def unacknowledged(self, end: socket.socket) -> int:
        """What the peer's kernel has not acknowledged: bytes, and one for a FIN (TIOCOUTQ)."""
        count: int = struct.unpack("i", fcntl.ioctl(end, termios.TIOCOUTQ, b"\0\0\0\0"))[0]
        return count

    def unread(self, end: socket.socket) -> int:
        """Bytes that have arrived and were not read (FIONREAD)."""
        count: int = struct.unpack("i", fcntl.ioctl(end, termios.FIONREAD, b"\0\0\0\0"))[0]
        return count

    def reserve(self) -> int:
        """A descriptor that stands for nothing: closed, it makes room for another."""
        return os.open(os.devnull, os.O_RDONLY)


LINUX: Final = SocketKernel()
