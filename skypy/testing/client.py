"""A client of a service's listener, on a socket in memory or a real one."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import Protocol

from skypy.testing.memory.network import TcpEnd


class Connect(Protocol):
    """What the fixture `connect` is."""

    async def __call__(self, port: int, host: str = "127.0.0.1") -> Client:
        """A client of whoever listens there. Raises OSError."""


class Client:
    """One TCP connection, from the side of the peer."""

    def __init__(self, end: socket.socket, loop: asyncio.AbstractEventLoop, path: TcpEnd | None = None) -> None:
        self._socket = end
        self._loop = loop
        self._path = path
        self._received = b""

    async def connect(self, host: str, port: int) -> None:
        """Raises OSError."""
        await self._loop.sock_connect(self._socket, (host, port))

    async def send(self, data: bytes) -> None:
        """Send all of it; waits while the service does not read. Raises ConnectionError when it cannot arrive."""
        await self._loop.sock_sendall(self._socket, data)

    async def receive(self, size: int = 65536) -> bytes:
        """What has come, at most `size` bytes; nothing at end-of-file. Raises ConnectionResetError on a reset."""
        if not self._received:
            return await self._loop.sock_recv(self._socket, size)
        data, self._received = self._received[:size], self._received[size:]
        return data

    async def receive_exactly(self, size: int) -> bytes:
        """So many bytes, or fewer at end-of-file."""
        while len(self._received) < size and (data := await self._loop.sock_recv(self._socket, 65536)):
            self._received += data
        return await self.receive(size) if self._received else b""

    async def receive_all(self) -> bytes:
        """Everything up to end-of-file."""
        while data := await self._loop.sock_recv(self._socket, 65536):
            self._received += data
        data, self._received = self._received, b""
        return data

    async def readline(self) -> bytes:
        r"""A line with its b"\n"; what is left at end-of-file."""
        while b"\n" not in self._received and (data := await self._loop.sock_recv(self._socket, 65536)):
            self._received += data
        line, newline, self._received = self._received.partition(b"\n")
        return line + newline

    def shutdown_write(self) -> None:
        """FIN: nothing more is sent; the service's answers still come."""
        self._socket.shutdown(socket.SHUT_WR)

    def shutdown_read(self) -> None:
        """Receive no more."""
        self._socket.shutdown(socket.SHUT_RD)

    def reset(self) -> None:
        """RST: the connection is gone at once."""
        if self._path is not None:
            self._path.force_reset()
        else:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def close(self) -> None:
        """Close both halves; harmless twice."""
        with contextlib.suppress(OSError):
            self._socket.close()

    # -- in memory only --

    def hold(self) -> None:
        """What is sent from now on stays on its way until `release`."""
        self._memory().held = True

    def release(self) -> None:
        """Let arrive what was held."""
        path = self._memory()
        path.held = False
        path.transmit()

    def split(self, size: int | None) -> None:
        """The service reads at most `size` bytes at once (None: as much as there is)."""
        peer = self._memory().peer
        assert peer is not None
        peer.piece = size

    def limit_receive_buffer(self, size: int) -> None:
        """Take no more than `size` unread bytes: a client that reads slowly."""
        self._memory().capacity = size

    def _memory(self) -> TcpEnd:
        if self._path is None:
            raise RuntimeError("a real connection cannot be held or split: this is for the fixture `system`")
        return self._path
