"""The two sockets of a connection on a kernel, in memory or Linux's, and short scripts of calls on them."""

from __future__ import annotations

import contextlib
import errno
import random
import select
import socket
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from skypy.system.socket_kernel import LINUX, SocketKernel
from skypy.testing.memory.kernel import MemoryKernel

Step = tuple[Any, ...]
"""(verb, index of the socket: 0 for the accepted one, 1 for the one that has connected, arguments...)."""
WATCHED = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP


class Whole(random.Random):
    """A seed for which nothing is cut and nothing is held back, so that TCP alone decides."""

    def random(self) -> float:
        return 1.0


def memory() -> SocketKernel:
    return MemoryKernel(Whole(1), lambda: 0.0)


def linux() -> SocketKernel:
    return LINUX


KERNELS: dict[str, Callable[[], SocketKernel]] = {"memory": memory, "linux": linux}


class Listener:
    """A socket that listens on a free port."""

    def __init__(self, kernel: SocketKernel, backlog: int = 16) -> None:
        self.kernel = kernel
        self.socket = kernel.stream_socket(socket.AF_INET)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(backlog)
        self.address: tuple[str, int] = kernel.local_address(self.socket.fileno())

    def connect(self) -> socket.socket:
        """Return a socket that has begun to connect to it."""
        socket_ = self.kernel.stream_socket(socket.AF_INET)
        with contextlib.suppress(BlockingIOError):
            socket_.connect(self.address)
        return socket_


@contextlib.contextmanager
def pair(kernel: SocketKernel) -> Iterator[Ends]:
    listener = Listener(kernel)
    client = listener.connect()
    server, _ = listener.socket.accept()
    for socket_ in (server, client):
        socket_.setblocking(False)
        socket_.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as every connection of skypy has it
    ends = Ends(kernel, server, client)
    try:
        yield ends
    finally:
        ends.close()
        listener.socket.close()


class Ends:
    """Two connected sockets, with calls on them that return their outcomes in a form that can be compared."""

    def __init__(self, kernel: SocketKernel, *sockets: socket.socket) -> None:
        self.kernel = kernel
        self.sockets: list[socket.socket | None] = list(sockets)

    def play(self, steps: Iterable[Step]) -> list[object]:
        """Play steps and return the outcome of each, leaving out those on a socket that was closed."""
        return [
            getattr(self, verb)(self.sockets[which], which, *args)
            for verb, which, *args in steps
            if self.sockets[which] is not None
        ]

    def close(self) -> None:
        for socket_ in self.sockets:
            if socket_ is not None:
                socket_.close()

    # -- verbs --

    def send(self, socket_: socket.socket, which: int, size: int) -> object:
        return _outcome(socket_.send, bytes([65 + which]) * size)

    def recv(self, socket_: socket.socket, which: int, size: int) -> object:
        return _outcome(socket_.recv, size)

    def peek(self, socket_: socket.socket, which: int, size: int) -> object:
        return _outcome(socket_.recv, size, socket.MSG_PEEK)

    def shutdown(self, socket_: socket.socket, which: int, how: int) -> object:
        return _outcome(socket_.shutdown, how)

    def error(self, socket_: socket.socket, which: int) -> object:
        return errno.errorcode.get(socket_.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))

    def events(self, socket_: socket.socket, which: int) -> object:
        poller = self.kernel.poller()
        poller.add(socket_.fileno(), WATCHED)
        try:
            return sorted(
                name
                for _, events in poller.wait(0)
                for name in ("EPOLLIN", "EPOLLOUT", "EPOLLRDHUP", "EPOLLHUP", "EPOLLERR")
                if events & getattr(select, name)
            )
        finally:
            poller.remove(socket_.fileno())
            poller.close()

    def abort(self, socket_: socket.socket, which: int) -> object:
        """Reset the connection for every duplicate, and leave the socket open."""
        return _outcome(self.kernel.force_reset, socket_)

    def reset(self, socket_: socket.socket, which: int) -> object:
        """Reset the connection and close the socket."""
        self.kernel.force_reset(socket_)
        return self.shut(socket_, which)

    def shut(self, socket_: socket.socket, which: int) -> object:
        socket_.close()
        self.sockets[which] = None
        return None


def _outcome(function: Callable[..., Any], *args: Any) -> object:
    try:
        return function(*args)
    except OSError as error:
        return errno.errorcode[error.errno or 0]


def fill(socket_: socket.socket) -> int:
    """Send until no more is taken, and return the count of bytes."""
    sent = 0
    while True:
        try:
            sent += socket_.send(b"x" * 65536)
        except BlockingIOError:
            return sent
