"""The further calls of the socket service: TCP sockets, and resets."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import termios
from typing import Any, Final

from skypy.system.force_reset import force_reset
from skypy.system.forks.descriptors import mark
from skypy.system.kernel import Kernel

_SIOCOUTQNSD: Final = 0x894B
_ASK_KERNEL: Final = -1  # as the family, which the class then asks the kernel for


class SocketKernel(Kernel):
    """The calls of the socket service."""

    def stream_socket(self, family: int) -> socket.socket:
        """Return a new TCP socket that does not block. Raises OSError.

        Clients that a listening socket accepts inherit its options: small replies leave at once, a peer that has
        vanished is found out in the end, and a child that a worker forks knows the socket as skypy's.
        """
        made = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        mark(made)
        return made

    def listening_socket(self, address: tuple[int, str, int], backlog: int) -> socket.socket:
        """Return a new socket that listens on a resolved (family, host, port). Raises OSError."""
        family, host, port = address
        listening = self.stream_socket(family)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((host, port))
            listening.listen(backlog)
        except BaseException:
            listening.close()
            raise
        return listening

    def accept(self, listening: socket.socket) -> tuple[socket.SocketType, tuple[Any, ...]]:
        """Return the next client of a listening socket, which does not block, and its address. Raises OSError.

        The client is of the class in C: to make one of Python's, `socket.socket.accept` takes half as long again as the
        kernel.
        """
        descriptor, address = listening._accept()  # type: ignore[attr-defined]  # noqa: SLF001
        client = socket.SocketType(_ASK_KERNEL, socket.SOCK_STREAM, socket.IPPROTO_TCP, descriptor)
        client.setblocking(False)
        return client, address

    def force_reset(self, socket_: socket.SocketType) -> None:
        """End a connection with RST at once, even if another process holds a duplicate."""
        force_reset(socket_.fileno())

    def unacknowledged(self, socket_: socket.SocketType) -> int:
        """Return the number of bytes, with one for a FIN, that the peer's kernel has not acknowledged (TIOCOUTQ)."""
        count: int = struct.unpack("i", fcntl.ioctl(socket_, termios.TIOCOUTQ, b"\0\0\0\0"))[0]
        return count

    def unsent(self, socket_: socket.SocketType) -> int:
        """Return the number of bytes that the kernel has and has not sent yet (SIOCOUTQNSD)."""
        count: int = struct.unpack("i", fcntl.ioctl(socket_, _SIOCOUTQNSD, b"\0\0\0\0"))[0]
        return count

    def unread(self, socket_: socket.SocketType) -> int:
        """Return the number of bytes that have arrived and have not been read (FIONREAD)."""
        count: int = struct.unpack("i", fcntl.ioctl(socket_, termios.FIONREAD, b"\0\0\0\0"))[0]
        return count

    def reserve(self) -> int:
        """Return a descriptor of the null device, which makes room for another when it is closed."""
        return os.open(os.devnull, os.O_RDONLY)


LINUX: Final = SocketKernel()
