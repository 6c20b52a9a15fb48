"""The service `subject` from outside: it runs commands of a test on its sockets."""

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
"""The setting `read_window`: the bytes that a socket may hold unread."""
RESET_LINE = r"socket: error on \d+ (Connection reset by peer|Broken pipe)$"


class Failed(Exception):
    """A command raised: `name` is the name of the exception's class."""

    def __init__(self, name: str, errno: int | None, text: str) -> None:
        super().__init__(f"{name}: {text}")
        self.name = name
        self.errno = errno


class Subject:
    """The connection over which a subject gets its commands."""

    def __init__(self, node: RunningNode) -> None:
        self.node = node
        self._control = node.connect()
        self._answers = self._control.makefile("rb")
        self._count = 0
        self._arrived: dict[int, tuple[Any, ...]] = {}

    def begin(self, name: str, *arguments: Any) -> Pending:
        """Give a command without waiting for its outcome."""
        self._count += 1
        self._control.sendall(repr((self._count, name, *arguments)).encode() + b"\n")
        return Pending(self, self._count)

    def __call__(self, name: str, *arguments: Any) -> Any:
        """Run a command and return its value. Raises Failed."""
        return self.begin(name, *arguments).result()

    def answer(self, number: int) -> Any:
        """Wait for the outcome of a command, and return its value. Raises Failed."""
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
        """Close the connection."""
        self._answers.close()
        self._control.close()

    # -- its connections --

    def serve(self, *, start: bool = True, **options: Any) -> tuple[int, int]:
        """Let the subject listen, and return the listener and its port."""
        listener, port = self("serve", start, options)
        return listener, port

    @contextmanager
    def client(self, port: int, receive_buffer: int | None = None) -> Iterator[tuple[socket.socket, Held]]:
        """Connect a client to one of its listeners, and yield the client and the subject's socket of it."""
        with socket.socket() as client:
            client.settimeout(SECONDS)
            if receive_buffer:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            client.connect(("127.0.0.1", port))
            yield client, Held(self, self("client", client.getsockname()[1]))

    @contextmanager
    def client_of(self, other: int, port: int) -> Iterator[tuple[socket.socket, Held]]:
        """Connect a client to a listener of another subject, and yield the client and that subject's socket of it."""
        with socket.create_connection(("127.0.0.1", port), SECONDS) as client:
            yield client, Held(self, self("ask", other, "client", client.getsockname()[1]))

    @contextmanager
    def opened(self) -> Iterator[tuple[socket.socket, Held]]:
        """Let the subject connect to a socket of the test, and yield that socket and the subject's."""
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
        """Wait for its outcome, and return its value. Raises Failed."""
        return self._subject.answer(self._number)


class Held:
    """A socket of the subject."""

    def __init__(self, subject: Subject, fd: int) -> None:
        self.subject = subject
        self.fd = fd

    def begin(self, name: str, *arguments: Any) -> Pending:
        """Give a command about it without waiting for the outcome."""
        return self.subject.begin(name, self.fd, *arguments)

    def __call__(self, name: str, *arguments: Any) -> Any:
        """Run a command about it, and return its value. Raises Failed."""
        return self.begin(name, *arguments).result()

    def read(self, size: int | None = None) -> bytes | None:
        """Return the result of `socket.read`."""
        data: bytes | None = self("read", size)
        return data

    def write(self, data: bytes) -> bool:
        """Return the result of `socket.write`."""
        accepted: bool = self("write", data)
        return accepted

    def shutdown(self, how: str = "rw") -> None:
        """Call `socket.shutdown`."""
        self("shutdown", how)

    def close(self) -> None:
        """Call `socket.close`."""
        self("close")

    def fails(self, name: str, *arguments: Any) -> str:
        """Run a command that fails, and return the name of its error."""
        try:
            value = self(name, *arguments)
        except Failed as failed:
            return failed.name
        raise AssertionError(f"{name} gave {value!r} and did not fail")


Ends = tuple[socket.socket, Held]
"""A client, and the subject's socket of it."""


def digest(size: int, seed: int = 0) -> tuple[int, str]:
    """Return the size and the SHA-256 of the bytes that the subject pours."""
    return size, hashlib.sha256(random.Random(seed).randbytes(size)).hexdigest()


def digest_to_end(peer: socket.socket, most: int = 1 << 18) -> tuple[int, str]:
    """Read to the end, and return the size and the SHA-256 of the input. Raises ConnectionResetError on a reset."""
    size, seen = 0, hashlib.sha256()
    while data := peer.recv(most):
        size += len(data)
        seen.update(data)
    return size, seen.hexdigest()


def take(peer: socket.socket, size: int) -> bytes:
    """Return `size` bytes, or fewer at end-of-file."""
    data = bytearray()
    while len(data) < size and (piece := peer.recv(size - len(data))):
        data += piece
    return bytes(data)


def fill(peer: socket.socket) -> int:
    """Send zeros until no more are taken, and return the count."""
    peer.setblocking(False)
    sent = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            sent += peer.send(bytes(1 << 16))
    peer.settimeout(SECONDS)
    return sent
