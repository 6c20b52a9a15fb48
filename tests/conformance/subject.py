"""The service `subject` from outside: a test tells it what to do with the sockets at its end of a connection."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.node.harness import SECONDS, RunningNode

MIB = 1 << 20
WINDOW = 131072
"""`read_window`: what a socket may hold unread."""
RESET_LINE = r"socket: error on \d+ (Connection reset by peer|Broken pipe)$"


class Failed(Exception):
    """A command raised: `name` is the name of the exception's class."""

    def __init__(self, name: str, errno: int | None, text: str) -> None:
        super().__init__(f"{name}: {text}")
        self.name = name
        self.errno = errno


class Subject:
    """The connection over which a subject is told what to do."""

    def __init__(self, node: RunningNode) -> None:
        self.node = node
        self._control = node.connect()
        self._answers = self._control.makefile("rb")
        self._count = 0
        self._arrived: dict[int, tuple[Any, ...]] = {}

    def begin(self, name: str, *arguments: Any) -> Pending:
        """A command that may take its time; others may be given meanwhile."""
        self._count += 1
        self._control.sendall(repr((self._count, name, *arguments)).encode() + b"\n")
        return Pending(self, self._count)

    def __call__(self, name: str, *arguments: Any) -> Any:
        """What a command gives. Raises Failed."""
        return self.begin(name, *arguments).result()

    def answer(self, number: int) -> Any:
        """What came of a command, when it has come."""
        while number not in self._arrived:
            try:
                line = self._answers.readline()
            except TimeoutError:
                self.node.fail("the subject does not answer")
            if not line:
                self.node.fail("the subject has gone")
            got, *rest = ast.literal_eval(line.decode())
            self._arrived[got] = tuple(rest)
        match self._arrived.pop(number):
            case (None, (name, errno, text)):
                raise Failed(name, errno, text)
            case (value,):
                return value

    def close(self) -> None:
        """Let it go."""
        self._answers.close()
        self._control.close()

    # -- its connections --

    def serve(self, *, start: bool = True, **options: Any) -> tuple[int, int]:
        """A listener of its own, and its port."""
        listener, port = self("serve", start, options)
        return listener, port

    @contextmanager
    def client(self, port: int, receive_buffer: int | None = None) -> Iterator[tuple[socket.socket, Held]]:
        """A client of one of its listeners, and what the subject holds of it."""
        with socket.socket() as client:
            client.settimeout(SECONDS)
            if receive_buffer:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            client.connect(("127.0.0.1", port))
            yield client, Held(self, self("client", client.getsockname()[1]))

    @contextmanager
    def client_of(self, other: int, port: int) -> Iterator[tuple[socket.socket, Held]]:
        """A client of a listener that another subject has; what is held of it is that one's."""
        with socket.create_connection(("127.0.0.1", port), SECONDS) as client:
            yield client, Held(self, self("ask", other, "client", client.getsockname()[1]))

    @contextmanager
    def opened(self) -> Iterator[tuple[socket.socket, Held]]:
        """A connection that the subject has made: its other end, and what the subject holds of it."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(SECONDS)
            opening = self.begin("open", server.getsockname()[1])
            peer, _ = server.accept()
            with peer:
                peer.settimeout(SECONDS)
                yield peer, Held(self, opening.result())


class Pending:
    """A command that has been given."""

    def __init__(self, subject: Subject, number: int) -> None:
        self._subject = subject
        self._number = number

    def result(self) -> Any:
        """What it gives, when it has come. Raises Failed."""
        return self._subject.answer(self._number)


class Held:
    """A socket at the subject's end."""

    def __init__(self, subject: Subject, fd: int) -> None:
        self.subject = subject
        self.fd = fd

    def begin(self, name: str, *arguments: Any) -> Pending:
        """Do something with it that may take its time."""
        return self.subject.begin(name, self.fd, *arguments)

    def __call__(self, name: str, *arguments: Any) -> Any:
        """Do something with it, to its end."""
        return self.begin(name, *arguments).result()

    def read(self, size: int | None = None) -> bytes | None:
        """What `socket.read` gives."""
        data: bytes | None = self("read", size)
        return data

    def write(self, data: bytes) -> bool:
        """What `socket.write` gives."""
        accepted: bool = self("write", data)
        return accepted

    def shutdown(self, how: str = "rw") -> None:
        """`socket.shutdown`."""
        self("shutdown", how)

    def close(self) -> None:
        """`socket.close`."""
        self("close")

    def fails(self, name: str, *arguments: Any) -> str:
        """The name of the error that a command ends with."""
        try:
            value = self(name, *arguments)
        except Failed as failed:
            return failed.name
        raise AssertionError(f"{name} gave {value!r} and did not fail")


Ends = tuple[socket.socket, Held]
"""A client, and what the subject holds of it."""


def digest(size: int, seed: int = 0) -> tuple[int, str]:
    """The size and the SHA-256 of what the subject pours."""
    return size, hashlib.sha256(random.Random(seed).randbytes(size)).hexdigest()


def digest_to_end(peer: socket.socket, most: int = 1 << 18) -> tuple[int, str]:
    """The size and the SHA-256 of what comes, to the end; a reset raises ConnectionResetError."""
    size, seen = 0, hashlib.sha256()
    while data := peer.recv(most):
        size += len(data)
        seen.update(data)
    return size, seen.hexdigest()


def take(peer: socket.socket, size: int) -> bytes:
    """So many bytes, or fewer at end-of-file."""
    data = bytearray()
    while len(data) < size and (piece := peer.recv(size - len(data))):
        data += piece
    return bytes(data)


def fill(peer: socket.socket) -> int:
    """Send zeros until nothing more is taken; how many were."""
    peer.setblocking(False)
    sent = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            sent += peer.send(bytes(1 << 16))
    peer.settimeout(SECONDS)
    return sent
