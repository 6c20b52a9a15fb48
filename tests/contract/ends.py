"""Two ends of a connection on a kernel, in memory or Linux's, and short scripts of what is done to them."""

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
"""(verb, which end: 0 the one that was accepted, 1 the one that has connected, arguments...)."""
WATCHED = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP


class Whole(random.Random):
    """Nothing is cut, nothing is held back: what is left is what TCP does."""

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
        """A socket that has begun to connect there."""
        end = self.kernel.stream_socket(socket.AF_INET)
        with contextlib.suppress(BlockingIOError):
            end.connect(self.address)
        return end


@contextlib.contextmanager
def pair(kernel: SocketKernel) -> Iterator[Ends]:
    listener = Listener(kernel)
    client = listener.connect()
    server, _ = listener.socket.accept()
    for end in (server, client):
        end.setblocking(False)
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as everything of skypy has it
    ends = Ends(kernel, server, client)
    try:
        yield ends
    finally:
        ends.close()
        listener.socket.close()


class Ends:
    """Two connected sockets, and what comes of what is done to them, in a form that can be compared."""

    def __init__(self, kernel: SocketKernel, *sockets: socket.socket) -> None:
        self.kernel = kernel
        self.sockets: list[socket.socket | None] = list(sockets)

    def play(self, steps: Iterable[Step]) -> list[object]:
        """The outcome of each step; steps on an end that was closed are left out."""
        return [
            getattr(self, verb)(self.sockets[which], which, *args)
            for verb, which, *args in steps
            if self.sockets[which] is not None
        ]

    def close(self) -> None:
        for end in self.sockets:
            if end is not None:
                end.close()

    # -- verbs --

    def send(self, end: socket.socket, which: int, size: int) -> object:
        return _outcome(end.send, bytes([65 + which]) * size)

    def recv(self, end: socket.socket, which: int, size: int) -> object:
        return _outcome(end.recv, size)

    def peek(self, end: socket.socket, which: int, size: int) -> object:
        return _outcome(end.recv, size, socket.MSG_PEEK)

    def shutdown(self, end: socket.socket, which: int, how: int) -> object:
        return _outcome(end.shutdown, how)

    def error(self, end: socket.socket, which: int) -> object:
        return errno.errorcode.get(end.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))

    def events(self, end: socket.socket, which: int) -> object:
        poller = self.kernel.poller()
        poller.add(end.fileno(), WATCHED)
        try:
            return sorted(
                name
                for _, events in poller.wait(0)
                for name in ("EPOLLIN", "EPOLLOUT", "EPOLLRDHUP", "EPOLLHUP", "EPOLLERR")
                if events & getattr(select, name)
            )
        finally:
            poller.remove(end.fileno())
            poller.close()

    def abort(self, end: socket.socket, which: int) -> object:
        """RST whoever else holds a duplicate; this end may still be asked."""
        return _outcome(self.kernel.force_reset, end)

    def reset(self, end: socket.socket, which: int) -> object:
        """RST by closing."""
        self.kernel.force_reset(end)
        return self.shut(end, which)

    def shut(self, end: socket.socket, which: int) -> object:
        end.close()
        self.sockets[which] = None
        return None


def _outcome(function: Callable[..., Any], *args: Any) -> object:
    try:
        return function(*args)
    except OSError as error:
        return errno.errorcode[error.errno or 0]


def fill(end: socket.socket) -> int:
    """Send until no more is taken: how much that was."""
    sent = 0
    while True:
        try:
            sent += end.send(b"x" * 65536)
        except BlockingIOError:
            return sent
