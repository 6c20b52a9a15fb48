"""One TCP connection in the socket service: its reads and writes of the kernel's socket, and the effects on it."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar, Final

from skypy.core.close_reason import CloseReason
from skypy.core.tcp.connection import Connection
from skypy.core.tcp.state import CLOSED, DELIVERING, DISCARDING, LINGERING, OWNED, Effect, Input, State
from skypy.core.tcp.state import WRITABLE as WRITABLE_STATES
from skypy.net.deadlines import AnswerDeadline, EndDeadline
from skypy.net.kernel_facts import take_error
from skypy.net.reactor import Timer
from skypy.net.shared import Shared
from skypy.system.poller import HANG_UP, PEER_FINISHED, READABLE, WRITABLE
from skypy.system.refuse_fin import refuse_fin

_INPUT: Final = ~WRITABLE
_READ_BUDGET_BYTES: Final = 262144
"""The input of one socket in a turn is at most this and one read, so that a fast peer does not starve the others."""
_CLOSED_SOON_SECONDS: Final = 0.05
"""The time in which most owners close once the peer has finished; one that does not goes on with its half."""
_BUFFERS_PER_SEND: Final = 512
"""Well below the number that Linux takes in one sendmsg (UIO_MAXIOV, 1024)."""


class ConnectedSocket:
    """The kernel's socket of a connection, its Connection, and the way between them.

    The state of the connection is the Connection's. The flags here are facts about the kernel's socket, which the
    kernel tells only by an event or not at all: a hang-up was reported, our FIN was sent, the peer's FIN is refused.
    """

    __slots__ = (
        "_connected_by_us",
        "_fin_sent",
        "_finish_told",
        "_half_closed_lately",
        "_hung_up",
        "_refuses_fin",
        "_shared",
        "_timer",
        "_watched",
        "avoid_time_wait",
        "connection",
        "socket",
    )

    def __init__(
        self,
        connection: Connection,
        socket_: socket.SocketType,
        shared: Shared,
        *,
        avoid_time_wait: bool,
        connected_by_us: bool,
    ) -> None:
        self.connection = connection
        self.socket = socket_
        self.avoid_time_wait = avoid_time_wait
        self._shared = shared
        self._hung_up = False
        self._finish_told = False  # the owner knows that the peer has finished, ahead of the input before that
        self._half_closed_lately = False
        self._fin_sent = False
        self._refuses_fin = False
        self._connected_by_us = connected_by_us
        self._timer: Timer | None = None  # of the one deadline that is waited for
        self._watched: int | None = None  # the events that the reactor watches the socket for

    def fileno(self) -> int:
        """Return the kernel's number."""
        return self.socket.fileno()

    @property
    def control_bytes(self) -> int:
        """The number of bytes that TCP counts as sent besides ours: one for our SYN, one for our FIN."""
        return self._connected_by_us + self._fin_sent

    def outstanding(self) -> int:
        """Return the number of bytes in the kernel that the peer has not acknowledged; our FIN counts as one."""
        return self._shared.kernel.unacknowledged(self.socket)

    def handle(self, events: int) -> None:
        """Write first (it makes room), then read. A hang-up is met by reading, where reading is allowed."""
        connection = self.connection
        if events & WRITABLE and connection.queue.size:
            self._write()
        if events & _INPUT and connection.state is not CLOSED:
            # Every change of the connection ends in update_interest. So a socket that is watched for input may be read,
            # and the connection need not be asked again; only the lane may have become full since.
            watched = self._watched
            wants_read = (watched is not None and watched & READABLE) or connection.wants_read
            if wants_read and (not connection.worker.full or connection.state in DISCARDING):
                self._read()
            elif events & (HANG_UP | PEER_FINISHED):
                self._hang_up(events)
        self.update_interest()

    def update_interest(self) -> None:
        """Watch for the events that the connection can use now."""
        connection = self.connection
        if connection.state is CLOSED:
            return
        wants_read = connection.wants_read
        if wants_read and connection.worker.full:
            connection.worker.stall(self)
            wants_read = connection.state in DISCARDING
        if wants_read:
            events = READABLE
        elif not self._hung_up and not self._finish_told and connection.may_meet_end:
            events = PEER_FINISHED  # the end is noticed at once, also while nothing is read
        else:
            events = 0
        if connection.queue.size:
            events |= WRITABLE
        if not events and (self._hung_up or self._half_closed_lately or connection.read_half.lent):
            # A hang-up cannot be masked. One that was noted already would be reported for ever, and one of a socket
            # that is lent is met by the worker.
            self._shared.reactor.ignore(self)
            self._watched = None
        elif events != self._watched:
            self._shared.reactor.watch(self, events)
            self._watched = events

    def perform(self, effects: Iterable[Effect]) -> None:
        """Do to the kernel's socket what a transition asks for, in its order."""
        for effect in effects:
            action = self._ACTIONS.get(effect)
            if action is not None:
                action(self)

    def fail(self) -> None:
        """End the connection after its code has raised: the peer gets a reset, the owner an error."""
        if self.connection.state is not CLOSED:
            self.connection.collapse(errno.EIO)
            self._force_reset()
            self._free()

    def end_by_force(self) -> None:
        """End a connection that is being closed: the undelivered bytes are lost, which a reset tells the peer."""
        if self.connection.state not in OWNED and self.connection.state is not CLOSED:
            self._run_out_of_time(CloseReason.NODE_STOPPED)

    # -- reading --

    def _read(self) -> None:
        connection = self.connection
        input_ = connection.read_half
        worker = connection.worker
        pending = b""
        left = _READ_BUDGET_BYTES
        error = None
        receive = self.socket.recv
        while True:
            size = input_.read_size
            try:
                data = receive(size)
            except (BlockingIOError, MemoryError):  # without memory the bytes wait in the kernel
                break
            except OSError as met:
                error = met.errno
                break
            if not data:
                error = 0
                break
            if pending:
                input_.deliver(worker, pending, more=True)
            pending = data if connection.received(len(data)) else b""
            left -= len(data)
            if len(data) < size or left <= 0 or not connection.wants_read:
                break
        if pending:
            input_.deliver(worker, pending)
        if error is not None:
            self._end_of_input(error)
        elif input_.busy and connection.state in DELIVERING:
            input_.lend(worker)  # behind all DATA, so the worker goes on where this side has stopped

    def _end_of_input(self, error: int) -> None:
        connection = self.connection
        undelivered = connection.state is LINGERING and self._undelivered() > 0
        self.perform(connection.end_of_input(error, undelivered=undelivered))

    def _hang_up(self, events: int) -> None:
        """Meet HANG_UP or PEER_FINISHED where nothing may be read now.

        If the end is next, it is met. If input comes before it, the owner is told ahead, and the end is met behind the
        input once there is credit. A hang-up of a socket whose half here is open is a reset: nothing can be written any
        more, which is told at once; the reader meets the reset at the end.
        """
        connection = self.connection
        if connection.may_meet_end:
            try:
                waiting = self.socket.recv(1, socket.MSG_PEEK)
            except BlockingIOError:
                return
            except OSError as met:
                self._end_of_input(met.errno or errno.EIO)
                return
            if not waiting:
                self._end_of_input(0)
                return
            connection.read_half.hang_up(connection.worker)
        if connection.state in DELIVERING:
            if not events & HANG_UP:
                self._finish_told = True  # a reset may still come
                return
            self._hung_up = True
            if connection.state in WRITABLE_STATES:
                self.perform(connection.write_failed(take_error(self.socket) or errno.ECONNRESET))
            return
        # Both halves have ended without us, and nothing is read in this state: it can only be a reset.
        self.perform(connection.write_failed(take_error(self.socket) or errno.ECONNRESET))

    # -- writing --

    def _write(self) -> None:
        connection = self.connection
        try:
            sent = self.socket.sendmsg(connection.queue.first(_BUFFERS_PER_SEND))
        except BlockingIOError:
            return
        except OSError as met:
            self.perform(connection.write_failed(met.errno or errno.EIO))
            return
        self.perform(connection.wrote(sent))

    def _undelivered(self) -> int:
        """Return the number of bytes that the peer has not acknowledged, those still queued here included."""
        outstanding = self.outstanding()
        if self._fin_sent and outstanding:
            outstanding -= 1  # the FIN itself
        return outstanding + self.connection.queue.size

    def _send_fin(self) -> None:
        if self.connection.state is LINGERING and self.avoid_time_wait:
            self._refuses_fin = True
            refuse_fin(self.socket)
        try:
            self.socket.shutdown(socket.SHUT_WR)
            self._fin_sent = True
        except OSError:  # ENOTCONN: the peer has reset it
            if self.connection.state is CLOSED and self._undelivered():  # no later read will meet the error
                self.connection.met(take_error(self.socket) or errno.ECONNRESET)
                self._log_lost()

    def _force_reset(self) -> None:
        self._shared.kernel.force_reset(self.socket)

    def _free(self) -> None:
        if self._timer is not None:
            self._shared.reactor.cancel(self._timer)
            self._timer = None
        self._shared.reactor.retire(self, self.socket)
        self._shared.freed(self.connection)

    # -- deadlines --

    def _await_end(self) -> None:
        looks = self._refuses_fin or self.connection.state is State.CUT_OFF
        ends_delivered = self._end_delivered if looks else None
        EndDeadline(self._shared, self._call_at, self._undelivered, self._run_out_of_time, ends_delivered).start()

    def _await_answer(self) -> None:
        # Usually the owner closes at once. So only a connection that stays half closed for longer is watched for a
        # reset: that takes one call of epoll for one that is closed soon, not two.
        self._half_closed_lately = True
        self._call_at(self._shared.reactor.now() + _CLOSED_SOON_SECONDS, self._stay_half_closed)

    def _stay_half_closed(self, now: float) -> None:
        self._half_closed_lately = False
        self.update_interest()
        AnswerDeadline(self._shared, self._call_at, self.socket, self._run_out_of_time).start(now)

    def _call_at(self, when: float, look: Callable[[float], None]) -> None:
        if self._timer is not None:
            self._shared.reactor.cancel(self._timer)
        self._timer = self._shared.reactor.call_at(when, self, look)

    def _end_delivered(self) -> bool:
        delivered = not self.outstanding() and not self.connection.queue.size
        if delivered:
            self.perform(self.connection.apply(Input.DELIVERED))
        return delivered

    def _run_out_of_time(self, reason: CloseReason | None = None) -> None:
        self.perform(self.connection.deadline_passed(undelivered=self._undelivered() > 0, reason=reason))

    # -- log lines --

    def _log_lost(self) -> None:
        connection = self.connection
        timed_out = connection.error in (0, errno.ETIMEDOUT)
        reason = "not delivered in time" if timed_out else os.strerror(connection.error)
        self._shared.log_for(connection.owner, f"socket: error on {connection.id} {reason}")

    def _log_end(self) -> None:
        """Log why the socket service ends the connection by itself."""
        connection = self.connection
        if connection.reason is CloseReason.HALF_CLOSE_TIMEOUT:
            timeout = self._shared.settings.half_close_timeout
            text = f"was finished by its peer and nothing was written for half_close_timeout ({timeout:g} s): closed"
        else:
            text = (
                "gets a reset behind its last bytes, because its worker has died in the middle of its output: "
                f"{self._undelivered()} bytes are on their way, those that had not left the worker are lost"
            )
        self._shared.log_for(connection.owner, f"socket: {connection.id} {text}")

    _ACTIONS: ClassVar[Mapping[Effect, Callable[[ConnectedSocket], None]]] = {
        Effect.SEND_FIN: _send_fin,
        Effect.AWAIT_FLUSH: _await_end,
        Effect.AWAIT_END: _await_end,
        Effect.AWAIT_ANSWER: _await_answer,
        Effect.AWAIT_RESET: _await_end,
        Effect.LOG_CUT_OFF: _log_end,
        Effect.LOG_LOST: _log_lost,
        Effect.LOG_HALF_CLOSE_TIMEOUT: _log_end,
        Effect.FORCE_RESET: _force_reset,
        Effect.FREE: _free,
    }
    """The methods that do an effect to the kernel's socket; the Connection does the other effects itself."""
