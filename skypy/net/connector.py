"""A connection that is being made: resolved addresses are tried one after the other."""

from __future__ import annotations

import errno
import socket
from collections import deque
from collections.abc import Callable, Sequence

from skypy.core.tcp.connection import Connection
from skypy.net.reactor import Reactor
from skypy.system.poller import WRITABLE
from skypy.system.socket_kernel import SocketKernel


class Connector:
    """One CONNECT request. `done(connector, socket, peer)` is called once; the socket is None when all failed."""

    def __init__(
        self,
        connection: Connection,
        addresses: Sequence[tuple[int, str, int]],
        reactor: Reactor,
        done: Callable[[Connector, socket.socket | None, tuple[str, int]], None],
        kernel: SocketKernel,
    ) -> None:
        self._kernel = kernel
        self.connection = connection
        self._addresses = deque(addresses)
        self._reactor = reactor
        self._done = done
        self._peer = ("", 0)
        self._socket: socket.socket | None = None
        self._error = errno.EADDRNOTAVAIL

    def fileno(self) -> int:
        """The kernel's number of the attempt under way."""
        return self._socket.fileno() if self._socket is not None else -1

    def try_next(self) -> None:
        """Begin with the next address, or report the last error."""
        while self._addresses:
            family, host, port = self._addresses.popleft()
            try:
                end = self._kernel.stream_socket(family)
            except OSError as error:
                self._error = error.errno or self._error
                continue
            self._socket = end
            self._peer = (host, port)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            error_number = end.connect_ex((host, port))
            if error_number in (0, errno.EINPROGRESS):
                self._reactor.watch(self, WRITABLE)  # a connection that is there already is writable at once
                return
            self._failed(error_number)
        self.connection.connect_failed(self._error)
        self._done(self, None, self._peer)

    def handle(self, events: int) -> None:
        """The attempt has an outcome (`events` is not looked at: SO_ERROR tells)."""
        del events
        assert self._socket is not None
        error = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            self._failed(error)
            self.try_next()
        else:
            self._reactor.ignore(self)
            end, self._socket = self._socket, None
            self.connection.connected()
            self._done(self, end, self._peer)

    def fail(self) -> None:
        """Its code has raised: report the failure."""
        self.abandon()
        self._done(self, None, self._peer)

    def abandon(self) -> None:
        """Nobody wants it any more."""
        self.connection.abort()
        if self._socket is not None:
            self._reactor.retire(self, self._socket)

    def _failed(self, error: int) -> None:
        assert self._socket is not None
        self._error = error
        self._reactor.retire(self, self._socket)
        self._socket = None
