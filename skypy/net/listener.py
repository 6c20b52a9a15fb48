"""A listening socket: accepts as many clients as its owner has granted, and sheds those without a free descriptor."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Callable
from typing import Final

from skypy.core.tcp.hand_over import End, HandOver
from skypy.core.tcp.worker_port import NOBODY, WorkerPort
from skypy.core.wire.socket_lane import SOCKET_ERROR, SOCKET_FORGET, SOCKET_LISTENER_HANDED_OVER
from skypy.net.kernel_facts import local_address
from skypy.net.reactor import Timer
from skypy.net.shared import Shared
from skypy.system.poller import READABLE

_ACCEPTS_PER_TURN: Final = 64
_COMPLAINTS_EVERY_SECONDS: Final = 1.0
_WITHOUT_SPARE_SECONDS: Final = 0.1
"""The pause in which clients wait in the kernel because they can be neither accepted nor turned away."""
_NO_DESCRIPTOR: Final = frozenset({errno.EMFILE, errno.ENFILE})


class Listener:
    """One listening socket.

    Another worker takes it over as it takes over a connection (see HandOver), but nothing has to be carried along: the
    clients that were accepted belong to the former owner, and the others wait in the kernel for the credit of the new.
    """

    def __init__(
        self,
        id: int,  # noqa: A002
        worker: WorkerPort,
        listening: socket.socket,
        shared: Shared,
        report_accepted: Callable[[Listener, socket.SocketType, tuple[str, int]], None],
        *,
        avoid_time_wait: bool,
        half_close: bool,
    ) -> None:
        """`report_accepted(listener, socket, peer)` gets each client."""
        self.id = id
        self.worker = worker
        """The worker whose actor owns the listener."""
        self.hand_over = HandOver(id)
        self.socket = listening
        self._shared = shared
        self._report_accepted = report_accepted
        self._limit = 0
        self._complained = 0.0
        self._closed = False
        self._pause: Timer | None = None  # in which no client is accepted
        self.avoid_time_wait = avoid_time_wait
        self.half_close = half_close
        self.accepted = 0
        """The number of clients that were accepted."""
        self.owner = 0
        """The address of the actor that accepts, for messages about the socket."""
        self.first_credit = 0
        """The number of bytes of each client's input that may be delivered from the beginning."""

    def fileno(self) -> int:
        """Return the kernel's number."""
        return self.socket.fileno()

    def credit(self, limit: int, owner: int = 0, first_credit: int = 0) -> None:
        """Accept up to `limit` clients in total, and deliver `first_credit` bytes of each before a credit of its own.

        `owner` is the address of the actor, where it is a new one.
        """
        if self.hand_over.recalled:
            return  # no worker has the listener for sure: clients wait in the kernel
        self.owner = owner or self.owner
        self.first_credit = first_credit
        self._limit = max(self._limit, limit)
        if self._closed or self._pause is not None:
            return
        self._shared.reactor.watch(self, READABLE)

    def handle(self, events: int) -> None:
        """Accept the clients that wait. `events` is not looked at: accept tells more."""
        del events
        for _ in range(min(_ACCEPTS_PER_TURN, self._limit - self.accepted)):
            if not self._accept_one():
                return
        if self.accepted >= self._limit:
            self._shared.reactor.watch(self, 0)

    def take_over(self, taker: WorkerPort) -> None:
        """Recall the owner's worker for another one; until that one grants credit, clients wait in the kernel."""
        self._limit = self.accepted
        if not self._closed:
            self._shared.reactor.watch(self, 0)
        self.hand_over.add_taker(taker, self.worker)

    def yielded(self) -> bool:
        """Give the listener to the next worker. Return False when every taker has died: it is to be closed."""
        former, self.worker = self.worker, self.hand_over.next_owner(self.worker, ended=True)
        former.send((SOCKET_FORGET, self.id))
        if self.worker is NOBODY:
            return False
        report = (SOCKET_LISTENER_HANDED_OVER, self.id, self.accepted, local_address(self.socket))
        self.worker.send_with_descriptor(report, self.fileno())
        self.hand_over.settle()
        self.hand_over.end_again(self.worker)
        self.hand_over.recall(self.worker)
        return True

    def end_by(self, source: WorkerPort, end: End) -> bool:
        """Send an END of another worker to the owner's. Return True."""
        self.hand_over.end_by(self.worker, source, end)
        return True

    def close(self) -> None:
        """Stop listening; clients that were not accepted are refused, and so are workers that take over.

        shutdown does that at once: the owner's worker holds a duplicate, which would keep the address in use.
        """
        self._closed = True
        self.hand_over.dismiss_takers()
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self._shared.reactor.retire(self, self.socket)

    def fail(self) -> None:
        """Stop listening after its code has raised, and report that."""
        self.worker.send((SOCKET_ERROR, self.id, errno.EIO))
        self.close()

    def _accept_one(self) -> bool:
        """Accept a client. Returns True if another one may be waiting."""
        shared = self._shared
        try:
            if shared.crowded():
                raise OSError(errno.EMFILE, "as many sockets as this process may hold")
            client, (host, port, *_) = shared.kernel.accept(self.socket)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno in _NO_DESCRIPTOR:
                if not shared.spare.turn_away(self.socket):
                    self._begin_pause()
                self._complain(error.errno)
            return error.errno == errno.ECONNABORTED  # that client has gone; the next one may be there
        self.accepted += 1
        self._report_accepted(self, client, (host, port))
        return True

    def _begin_pause(self) -> None:
        reactor = self._shared.reactor
        reactor.ignore(self)
        self._pause = reactor.call_at(reactor.now() + _WITHOUT_SPARE_SECONDS, self, self._end_pause)

    def _end_pause(self, now: float) -> None:
        del now
        self._pause = None
        if self._closed:
            return
        if not self._shared.spare.take_back():
            self._begin_pause()
        elif self.accepted < self._limit:
            self._shared.reactor.watch(self, READABLE)

    def _complain(self, error: int) -> None:
        now = self._shared.reactor.now()
        if now - self._complained >= _COMPLAINTS_EVERY_SECONDS:
            self._complained = now
            self.worker.send((SOCKET_ERROR, self.id, error))
