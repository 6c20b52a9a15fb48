"""What the socket service asks of the operating system besides."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import termios
from typing import Any, Final

from skypy.system.force_reset import force_reset
from skypy.system.kernel import Kernel

_ASK_KERNEL: Final = -1  # for the family of a socket, which the class asks for in any case


class SocketKernel(Kernel):
    """The calls of the service."""

    def stream_socket(self, family: int) -> socket.socket:
        """A new TCP socket that does not block. Raises OSError."""
        return socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)

    def accept(self, listening: socket.socket) -> tuple[socket.SocketType, tuple[Any, ...]]:
        """The next client of a TCP socket, as one that does not block, and its address. Raises OSError.

        It is of the class in C: `socket.socket.accept` takes half as long again as the kernel to make one of Python's.
        """
        descriptor, address = listening._accept()  # type: ignore[attr-defined]  # noqa: SLF001
        end = socket.SocketType(_ASK_KERNEL, socket.SOCK_STREAM, socket.IPPROTO_TCP, descriptor)
        end.setblocking(False)
        return end, address

    def force_reset(self, end: socket.SocketType) -> None:
        """End a connection with RST at once, whoever else holds a duplicate."""
        force_reset(end.fileno())

    def unacknowledged(self, end: socket.SocketType) -> int:
        """What the peer's kernel has not acknowledged: bytes, and one for a FIN (TIOCOUTQ)."""
        count: int = struct.unpack("i", fcntl.ioctl(end, termios.TIOCOUTQ, b"\0\0\0\0"))[0]
        return count

    def unread(self, end: socket.SocketType) -> int:
        """Bytes that have arrived and were not read (FIONREAD)."""
        count: int = struct.unpack("i", fcntl.ioctl(end, termios.FIONREAD, b"\0\0\0\0"))[0]
        return count

    def reserve(self) -> int:
        """A descriptor that stands for nothing: closed, it makes room for another."""
        return os.open(os.devnull, os.O_RDONLY)


LINUX: Final = SocketKernel()
