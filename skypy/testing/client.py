"""A client of a service's listener, on a socket in memory or a real one."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import Protocol

from skypy.testing.memory.network import TcpEndpoint

_CHUNK_BYTES = 65536


class Connect(Protocol):
    """The type of the fixture `connect`."""

    async def __call__(self, port: int, host: str = "127.0.0.1") -> Client:
        """Return a client that is connected to a listener. Raises OSError."""


class Client:
    """One TCP connection, from the side of the peer."""

    def __init__(
        self, socket_: socket.socket, loop: asyncio.AbstractEventLoop, endpoint: TcpEndpoint | None = None
    ) -> None:
        """Wrap a socket that does not block; `endpoint` is its description if it is in memory."""
        self._socket = socket_
        self._loop = loop
        self._endpoint = endpoint
        self._received = b""

    async def connect(self, host: str, port: int) -> None:
        """Connect. Raises OSError."""
        await self._loop.sock_connect(self._socket, (host, port))

    async def send(self, data: bytes) -> None:
        """Send all of `data`, and wait while the service does not read. Raises ConnectionError if it cannot arrive."""
        await self._loop.sock_sendall(self._socket, data)

    async def receive(self, size: int = 65536) -> bytes:
        """Wait for input and return at most `size` bytes of it; none at end-of-file.

        Raises ConnectionResetError on a reset, as every method that receives.
        """
        if not self._received:
            return await self._loop.sock_recv(self._socket, size)
        data, self._received = self._received[:size], self._received[size:]
        return data

    async def receive_exactly(self, size: int) -> bytes:
        """Return `size` bytes, or fewer at end-of-file."""
        while len(self._received) < size and (data := await self._loop.sock_recv(self._socket, _CHUNK_BYTES)):
            self._received += data
        return await self.receive(size) if self._received else b""

    async def receive_all(self) -> bytes:
        """Return everything up to end-of-file."""
        while data := await self._loop.sock_recv(self._socket, _CHUNK_BYTES):
            self._received += data
        data, self._received = self._received, b""
        return data

    async def readline(self) -> bytes:
        r"""Return a line with its b"\n", or the rest at end-of-file."""
        while b"\n" not in self._received and (data := await self._loop.sock_recv(self._socket, _CHUNK_BYTES)):
            self._received += data
        line, newline, self._received = self._received.partition(b"\n")
        return line + newline

    def shutdown_write(self) -> None:
        """Send FIN: nothing more is sent, and the service's answers still come."""
        self._socket.shutdown(socket.SHUT_WR)

    def shutdown_read(self) -> None:
        """Receive no more."""
        self._socket.shutdown(socket.SHUT_RD)

    def reset(self) -> None:
        """Send RST: the connection is gone at once."""
        if self._endpoint is not None:
            self._endpoint.force_reset()
        else:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def close(self) -> None:
        """Close both halves. Calling it twice does no harm."""
        with contextlib.suppress(OSError):
            self._socket.close()

    # -- in memory only --

    def hold(self) -> None:
        """Keep everything that is sent from now on on its way until `release`. Raises RuntimeError in a real node."""
        self._in_memory().throttle.held = True

    def release(self) -> None:
        """Let the held bytes arrive. Raises RuntimeError in a real node."""
        endpoint = self._in_memory()
        endpoint.throttle.held = False
        endpoint.transmit()

    def split(self, size: int | None) -> None:
        """Let the service read at most `size` bytes at once (None: no limit). Raises RuntimeError in a real node."""
        peer = self._in_memory().peer
        assert peer is not None
        peer.throttle.largest_read = size

    def limit_receive_buffer(self, size: int) -> None:
        """Take no more than `size` unread bytes, as a slow reader does. Raises RuntimeError in a real node."""
        self._in_memory().throttle.capacity = size

    def _in_memory(self) -> TcpEndpoint:
        if self._endpoint is None:
            raise RuntimeError("a real connection cannot be held or split: this is for the fixture `system`")
        return self._endpoint
