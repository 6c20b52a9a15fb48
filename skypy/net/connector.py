"""A connection that is being made: resolved addresses are tried one after the other."""

from __future__ import annotations

import errno
import socket
from collections import deque
from collections.abc import Callable, Sequence

from skypy.core.tcp.connection import Connection
from skypy.core.tcp.state import Input
from skypy.net.kernel_facts import take_error
from skypy.net.shared import Shared
from skypy.system.poller import WRITABLE


class Connector:
    """One CONNECT request. `done(connector, socket, peer)` is called once; the socket is None when all failed."""

    def __init__(
        self,
        connection: Connection,
        addresses: Sequence[tuple[int, str, int]],
        shared: Shared,
        done: Callable[[Connector, socket.socket | None, tuple[str, int]], None],
    ) -> None:
        self.connection = connection
        self._addresses = deque(addresses)
        self._shared = shared
        self._done = done
        self._peer = ("", 0)
        self._socket: socket.socket | None = None
        self._error = errno.EADDRNOTAVAIL

    def fileno(self) -> int:
        """Return the kernel's number of the attempt under way, -1 between attempts."""
        return self._socket.fileno() if self._socket is not None else -1

    def try_next(self) -> None:
        """Begin with the next address, or report the last error."""
        while self._addresses:
            family, host, port = self._addresses.popleft()
            try:
                socket_ = self._shared.kernel.stream_socket(family)
            except OSError as error:
                self._error = error.errno or self._error
                continue
            self._socket = socket_
            self._peer = (host, port)
            error_number = socket_.connect_ex((host, port))
            if error_number in (0, errno.EINPROGRESS):
                self._shared.reactor.watch(self, WRITABLE)  # a connection that is there already is writable at once
                return
            self._failed(error_number)
        self.connection.met(self._error)
        self.connection.apply(Input.CONNECT_FAILED)
        self._done(self, None, self._peer)

    def handle(self, events: int) -> None:
        """Take the outcome of the attempt. `events` is not looked at: SO_ERROR tells more."""
        del events
        assert self._socket is not None
        error = take_error(self._socket)
        if error:
            self._failed(error)
            self.try_next()
        else:
            self._shared.reactor.ignore(self)
            socket_, self._socket = self._socket, None
            self.connection.apply(Input.CONNECTED)
            self._done(self, socket_, self._peer)

    def fail(self) -> None:
        """Report a failure after its code has raised."""
        self.abandon()
        self._done(self, None, self._peer)

    def abandon(self) -> None:
        """Give the attempt up: the connection is no longer wanted."""
        self.connection.abort()
        if self._socket is not None:
            self._shared.reactor.retire(self, self._socket)

    def _failed(self, error: int) -> None:
        assert self._socket is not None
        self._error = error
        self._shared.reactor.retire(self, self._socket)
        self._socket = None
