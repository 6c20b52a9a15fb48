"""One TCP connection in the socket service: every recv and send of the service, and the effects on the kernel."""

from __future__ import annotations

import errno
import functools
import os
import socket
from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar, Final, Protocol

from skypy.core.close_reason import CloseReason
from skypy.core.settings import SocketSettings
from skypy.core.tcp.connection import Connection
from skypy.core.tcp.patience import Patience
from skypy.core.tcp.state import DELIVERING, Effect, State
from skypy.core.tcp_info import SIZE as TCP_INFO_SIZE
from skypy.core.tcp_info import TcpInfo
from skypy.net.reactor import Reactor, Timer
from skypy.system.poller import HANG_UP, PEER_FINISHED, READABLE, WRITABLE
from skypy.system.refuse_fin import refuse_fin
from skypy.system.socket_kernel import SocketKernel

_CLOSED: Final = State.CLOSED  # Python 3.11 takes its time to find a member of an Enum, and each event asks for these
_LINGERING: Final = State.LINGERING
_INPUT: Final = ~WRITABLE
_READ_BUDGET_BYTES: Final = 262144
"""What one socket may read in a turn, so that a fast peer does not starve the others."""
_BUFFERS_PER_SEND: Final = 512
"""Well below what Linux takes in one sendmsg (UIO_MAXIOV, 1024)."""
_CLOSED_SOON_SECONDS: Final = 0.05
"""An owner that has not closed by then when its peer has finished goes on with the half that is open."""
_SHORTEST_LOOK_SECONDS: Final = 0.005
"""How soon to ask whether the peer has acknowledged our FIN; then ever more seldom."""


class Outlet(Protocol):
    """The lane towards the owner of a connection, as far as reading depends on it."""

    @property
    def full(self) -> bool:
        """Whether it holds more than its mark: then nothing more is read for it."""

    def stall(self, stream: Stream) -> None:
        """`stream` is to be resumed when it is no longer full."""


class Home(Protocol):
    """Where streams live: what they need of the service."""

    reactor: Reactor
    settings: SocketSettings
    kernel: SocketKernel

    def freed(self, stream: Stream) -> None:
        """The stream is gone."""

    def log_of(self, owner: int, text: str) -> None:
        """Say something for the actor that owned a socket."""


class Stream:
    """A connected socket, its Connection, and the way between them."""

    __slots__ = (
        "_connected_by_us",
        "_fin_sent",
        "_half_closed_lately",
        "_home",
        "_hung_up",
        "_refuses_fin",
        "_socket",
        "_timer",
        "_watched",
        "avoid_time_wait",
        "connection",
        "outlet",
    )

    def __init__(
        self,
        connection: Connection,
        end: socket.SocketType,
        outlet: Outlet,
        home: Home,
        *,
        avoid_time_wait: bool,
        connected_by_us: bool,
    ) -> None:
        self.connection = connection
        self.avoid_time_wait = avoid_time_wait
        self.outlet = outlet
        self._socket = end
        self._home = home
        self._hung_up = False
        self._half_closed_lately = False
        self._fin_sent = False
        self._refuses_fin = False
        self._connected_by_us = connected_by_us
        self._timer: Timer | None = None  # the one thing it waits for
        self._watched: int | None = None  # for what the reactor watches it

    def fileno(self) -> int:
        """The kernel's number."""
        return self._socket.fileno()

    def peer_address(self) -> tuple[str, int]:
        """Where the peer is; ("", 0) when the connection has ended already."""
        try:
            host, port = self._socket.getpeername()[:2]
        except OSError:
            return "", 0
        return host, port

    def local_address(self) -> tuple[str, int]:
        """Where our end is."""
        host, port = self._socket.getsockname()[:2]
        return host, port

    @property
    def control_bytes(self) -> int:
        """What TCP counts as sent besides our bytes: our SYN and our FIN."""
        return self._connected_by_us + self._fin_sent

    def tcp_info(self) -> TcpInfo:
        """What the kernel knows of it."""
        return TcpInfo.parse(self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_SIZE))

    def handle(self, events: int) -> None:
        """The socket is ready: write first (it makes room), then read; a hang-up is told by reading where we read."""
        connection = self.connection
        if events & WRITABLE and connection.wants_write:
            self._write()
        if events & _INPUT and connection.state is not _CLOSED:
            if self._may_read():
                self._read()
            elif events & (HANG_UP | PEER_FINISHED):
                self._hang_up()
        self.update_interest()

    def update_interest(self) -> None:
        """Watch for what the connection can use now."""
        connection = self.connection
        if connection.state is _CLOSED:
            return
        wants_read = connection.wants_read
        full = wants_read and self.outlet.full
        if full:
            self.outlet.stall(self)
        if wants_read and not (full and connection.state in DELIVERING):
            events = READABLE
        elif connection.may_meet_end and not self._hung_up:
            events = PEER_FINISHED  # the end is noticed at once, also while nothing is read
        else:
            events = 0
        if connection.wants_write:
            events |= WRITABLE
        if not events and (self._hung_up or self._half_closed_lately or connection.lent):
            self._home.reactor.ignore(self)  # or a hang-up, which cannot be masked, would be reported for ever
            self._watched = None
        elif events != self._watched:
            self._home.reactor.watch(self, events)
            self._watched = events

    def perform(self, effects: Iterable[Effect]) -> None:
        """Do to the kernel what a transition asks for, in its order."""
        for effect in effects:
            action = self._ACTIONS.get(effect)
            if action is not None:
                action(self)

    def fail(self) -> None:
        """Its code has raised: the peer gets a reset, the owner an error."""
        if self.connection.state is not _CLOSED:
            self.connection.collapse(errno.EIO)
            self._home.kernel.force_reset(self._socket)
            self._free()

    def end_by_force(self) -> None:
        """The time for closing is over: what the peer does not have yet is lost, and it is told so by a reset."""
        if not self.connection.owned and self.connection.state is not _CLOSED:
            self._run_out_of_time(CloseReason.NODE_STOPPED)

    def _call_at(self, when: float, look: Callable[[float], None]) -> None:
        """Instead of what was waited for before."""
        self._cancel_timer()
        self._timer = self._home.reactor.call_at(when, self, look)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._home.reactor.cancel(self._timer)
            self._timer = None

    def _force_reset(self) -> None:
        self._home.kernel.force_reset(self._socket)

    def _free(self) -> None:
        self._cancel_timer()
        self._home.reactor.retire(self, self._socket)
        self._home.freed(self)

    def _run_out_of_time(self, reason: CloseReason | None = None) -> None:
        self.perform(self.connection.deadline_passed(undelivered=self._undelivered() > 0, reason=reason))

    def _may_read(self) -> bool:
        return self.connection.wants_read and not (self.outlet.full and self.connection.state in DELIVERING)

    def _read(self) -> None:
        connection = self.connection
        pending = b""
        left = _READ_BUDGET_BYTES
        error = None
        receive = self._socket.recv
        while True:
            size = connection.read_size
            try:
                data = receive(size)
            except BlockingIOError:
                break
            except OSError as met:
                error = met.errno
                break
            if not data:
                error = 0
                break
            if pending:
                connection.deliver(pending, more=True)
            pending = data if connection.received(len(data)) else b""
            left -= len(data)
            if len(data) < size or left <= 0 or not connection.wants_read:
                break
        if pending:
            connection.deliver(pending)
        if error is not None:
            self._end_of_input(error)
        elif connection.busy:
            connection.lend()

    def _write(self) -> None:
        connection = self.connection
        try:
            sent = self._socket.sendmsg(connection.queue.first(_BUFFERS_PER_SEND))
        except BlockingIOError:
            return
        except OSError as met:
            self.perform(connection.write_failed(met.errno or errno.EIO))
            return
        self.perform(connection.wrote(sent))

    def _end_of_input(self, error: int) -> None:
        connection = self.connection
        undelivered = connection.state is _LINGERING and self._undelivered() > 0
        self.perform(connection.end_of_input(error, undelivered=undelivered))

    def _hang_up(self) -> None:
        connection = self.connection
        if connection.may_meet_end:
            try:
                waiting = self._socket.recv(1, socket.MSG_PEEK)
            except BlockingIOError:
                return
            except OSError as met:
                self._end_of_input(met.errno or errno.EIO)
                return
            if not waiting:
                self._end_of_input(0)
                return
            connection.hang_up()
        if connection.state in DELIVERING:
            self._hung_up = True  # read to the end first, when credit comes; an error is met there
            return
        # Both halves have ended without us, and nothing is read in this state: it can only be a reset.
        error = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        self.perform(connection.write_failed(error or errno.ECONNRESET))

    def _send_fin(self) -> None:
        if self.connection.state is _LINGERING and self.avoid_time_wait:
            self._refuses_fin = True
            refuse_fin(self._socket)
        try:
            self._socket.shutdown(socket.SHUT_WR)
            self._fin_sent = True
        except OSError:  # ENOTCONN: the peer has reset it
            if self.connection.state is _CLOSED and self._undelivered():  # nobody reads on to meet the error
                error = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                self.connection.met(error or errno.ECONNRESET)
                self._log_lost()

    def _await_end(self) -> None:
        now = self._home.reactor.now()
        settings = self._home.settings
        patience = Patience(now, self._undelivered(), flush_timeout=settings.flush_timeout, linger=settings.linger)
        self._look(patience, now, now)

    def _look(self, patience: Patience, since: float, now: float) -> None:
        patience.linger = self._home.settings.linger  # shorter while the node stops
        again = patience.look(now, self._undelivered())
        if self._refuses_fin:
            if not self.outstanding():
                self.perform(self.connection.delivered())
                return
            soon = now + max(_SHORTEST_LOOK_SECONDS, (now - since) / 2)
            again = again and min(again, soon)
        if again is not None:
            self._call_at(again, functools.partial(self._look, patience, since))
        else:
            self._run_out_of_time()

    def _await_answer(self) -> None:
        """The peer has finished: the owner has so long to write something, or to close.

        Mostly it closes at once, so only what is half closed for longer is watched for a reset: that takes one call of
        epoll for what is closed soon, not two.
        """
        self._half_closed_lately = True
        self._call_at(self._home.reactor.now() + _CLOSED_SOON_SECONDS, self._watch_half_closed)

    def _watch_half_closed(self, now: float) -> None:
        self._half_closed_lately = False
        self.update_interest()
        self._call_at(now + self._home.settings.half_close_timeout, self._look_for_answer)

    def _look_for_answer(self, now: float) -> None:
        timeout = self._home.settings.half_close_timeout
        left = timeout - self.tcp_info().last_data_sent_seconds
        if left > 0:
            self._call_at(now + left, self._look_for_answer)
        else:
            self._run_out_of_time()

    def outstanding(self) -> int:
        """Bytes in the kernel that the peer has not acknowledged; our FIN counts as one."""
        return self._home.kernel.unacknowledged(self._socket)

    def unread(self) -> int:
        """Bytes in the kernel that nobody has read."""
        return self._home.kernel.unread(self._socket)

    def _undelivered(self) -> int:
        """Bytes that the peer has not acknowledged, those still queued here included."""
        outstanding = self.outstanding()
        if self._fin_sent and outstanding:
            outstanding -= 1  # the FIN itself
        return outstanding + self.connection.queue.size

    def _log_lost(self) -> None:
        connection = self.connection
        timed_out = connection.error in (0, errno.ETIMEDOUT)
        reason = "not delivered in time" if timed_out else os.strerror(connection.error)
        self._home.log_of(connection.owner, f"socket: error on {connection.id} {reason}")

    def _log_forgotten(self) -> None:
        connection = self.connection
        timeout = self._home.settings.half_close_timeout
        self._home.log_of(
            connection.owner,
            f"socket: {connection.id} was finished by its peer and nothing was written for "
            f"half_close_timeout ({timeout:g} s): closed",
        )

    _ACTIONS: ClassVar[Mapping[Effect, Callable[[Stream], None]]] = {
        Effect.SEND_FIN: _send_fin,
        Effect.AWAIT_FLUSH: _await_end,
        Effect.AWAIT_END: _await_end,
        Effect.AWAIT_ANSWER: _await_answer,
        Effect.LOG_LOST: _log_lost,
        Effect.LOG_FORGOTTEN: _log_forgotten,
        Effect.RESET: _force_reset,
        Effect.FREE: _free,
    }
    """What is done to the kernel for an effect; of the others, nothing is left here."""
