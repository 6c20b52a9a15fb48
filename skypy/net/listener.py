"""A listening socket: accepts as many clients as its owner has granted, and sheds what no descriptor is left for."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Callable
from typing import Final, Protocol

from skypy.core.wire.socket_lane import SOCKET_ERROR, Message
from skypy.net.reactor import Reactor
from skypy.system.poller import READABLE
from skypy.system.socket_kernel import LINUX, SocketKernel

_ACCEPTS_PER_TURN: Final = 64
_COMPLAINTS_EVERY_SECONDS: Final = 1.0
_NO_DESCRIPTOR: Final = frozenset({errno.EMFILE, errno.ENFILE})


def bind_and_listen(address: tuple[int, str, int], backlog: int, kernel: SocketKernel = LINUX) -> socket.socket:
    """A non-blocking listening socket on a resolved (family, host, port). Raises OSError."""
    family, host, port = address
    end = kernel.stream_socket(family)
    try:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted sockets inherit both: small replies leave at once, and a peer that vanished is found out in the end.
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        end.bind((host, port))
        end.listen(backlog)
    except BaseException:
        end.close()
        raise
    return end


class Spare:
    """A descriptor kept in reserve: given up for a moment, it lets a client be accepted and turned away.

    Without it a process at its limit could neither accept the clients that wait nor stop being told of them.
    """

    def __init__(self, kernel: SocketKernel) -> None:
        self._kernel = kernel
        self._descriptor = kernel.reserve()
        self.turned_away = 0

    def turn_away(self, listening: socket.socket) -> None:
        """Accept one client and close it."""
        self._kernel.close(self._descriptor)
        try:
            listening.accept()[0].close()
            self.turned_away += 1
        except OSError:
            pass
        finally:
            self._descriptor = self._kernel.reserve()


class Room(Protocol):
    """Where accepted clients go."""

    spare: Spare
    kernel: SocketKernel

    @property
    def crowded(self) -> bool:
        """Whether there are as many sockets as this process may hold."""


class Listener:
    """One listening socket."""

    def __init__(
        self,
        id: int,  # noqa: A002
        end: socket.socket,
        reactor: Reactor,
        room: Room,
        accepted: Callable[[Listener, socket.SocketType, tuple[str, int]], None],
        send: Callable[[Message], None],
    ) -> None:
        self.id = id
        self._socket = end
        self._reactor = reactor
        self._room = room
        self._report_accepted = accepted
        self._send = send
        self._count = 0
        self._limit = 0
        self._complained = 0.0
        self._closed = False
        self.avoid_time_wait = False
        self.half_close = True
        self.owner = 0
        """Address of the actor that accepts, for messages about it."""
        self.first_credit = 0
        """How much input of each client may be delivered from the beginning."""

    def fileno(self) -> int:
        """The kernel's number."""
        return self._socket.fileno()

    def local_address(self) -> tuple[str, int]:
        """Where it listens."""
        host, port = self._socket.getsockname()[:2]
        return host, port

    @property
    def accepted(self) -> int:
        """How many clients it has accepted."""
        return self._count

    def credit(self, limit: int, owner: int = 0, first_credit: int = 0) -> None:
        """The owner takes up to `limit` clients in total, and `first_credit` bytes of each before it says more."""
        self.owner = owner or self.owner
        self.first_credit = first_credit
        self._limit = max(self._limit, limit)
        if self._closed:
            return
        self._reactor.watch(self, READABLE)

    def handle(self, events: int) -> None:
        """Clients are waiting (`events` is not looked at: accept tells)."""
        del events
        for _ in range(min(_ACCEPTS_PER_TURN, self._limit - self._count)):
            if not self._accept_one():
                return
        if self._count >= self._limit:
            self._reactor.watch(self, 0)

    def close(self) -> None:
        """Stop listening; clients that nobody has accepted are refused.

        shutdown does it at once: the owner's worker holds a duplicate, which would keep the address in use.
        """
        self._closed = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._reactor.retire(self, self._socket)

    def fail(self) -> None:
        """Its code has raised: stop listening, and say so."""
        self._send((SOCKET_ERROR, self.id, errno.EIO))
        self.close()

    def _accept_one(self) -> bool:
        try:
            if self._room.crowded:
                raise OSError(errno.EMFILE, "as many sockets as this process may hold")
            end, (host, port, *_) = self._room.kernel.accept(self._socket)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno in _NO_DESCRIPTOR:
                self._room.spare.turn_away(self._socket)
                self._complain(error.errno)
            return error.errno == errno.ECONNABORTED  # that client has gone; the next one may be there
        self._count += 1
        self._report_accepted(self, end, (host, port))
        return True

    def _complain(self, error: int) -> None:
        now = self._reactor.now()
        if now - self._complained >= _COMPLAINTS_EVERY_SECONDS:
            self._complained = now
            self._send((SOCKET_ERROR, self.id, error))
