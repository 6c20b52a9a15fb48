"""The reports of the socket service about sockets of this worker, as they come over the lane."""

from __future__ import annotations

import asyncio
import inspect
import os
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from skypy.core.causal.fence import Fence
from skypy.core.close_reason import CloseReason
from skypy.core.errors import SocketBroken
from skypy.core.socket_address import SocketAddress
from skypy.core.tcp.lease import OWNED
from skypy.core.wire import socket_lane
from skypy.core.wire.socket_lane import CLOSE
from skypy.system.kernel import Kernel
from skypy.worker.actors.actor import Actor
from skypy.worker.actors.scheduler import Scheduler
from skypy.worker.sockets.direct_input import DirectInput
from skypy.worker.sockets.lane import SocketLane
from skypy.worker.sockets.notices import Notices, log_error, log_late_write
from skypy.worker.sockets.other_workers import OtherWorkers
from skypy.worker.sockets.ownership import Ownership
from skypy.worker.sockets.stream_socket import StreamSocket

Report = Sequence[Any]


class SocketReports:
    """The handlers, by the kind of report. A report that crossed a close is dropped and counted."""

    def __init__(
        self,
        ownership: Ownership,
        other_workers: OtherWorkers,
        notices: Notices,
        direct_input: DirectInput,
        lane: SocketLane,
        scheduler: Scheduler,
        kernel: Kernel,
        dropped: Counter[str],
        fence: Fence,
    ) -> None:
        """`dropped` counts the reports that crossed a close, by their kind."""
        self._ownership = ownership
        self._other_workers = other_workers
        self._own = ownership.own
        self._leases = ownership.leases
        self._notices = notices
        self._direct_input = direct_input
        self._lane = lane
        self._scheduler = scheduler
        self._kernel = kernel
        self._dropped = dropped
        foreign = self._leases.foreign
        self.by_kind: dict[int, Callable[[Report], None]] = {
            socket_lane.SOCKET_ACCEPT: self._accepted,
            socket_lane.SOCKET_DATA: self._data,
            socket_lane.SOCKET_MORE: self._more,
            socket_lane.SOCKET_LEND: self._lent,
            socket_lane.SOCKET_HANGUP: self._hung_up,
            socket_lane.SOCKET_REFUSE_HALF_CLOSE: self._half_close_refused,
            socket_lane.SOCKET_CLOSE: self._closed,
            socket_lane.SOCKET_ERROR: self._broken,
            socket_lane.SOCKET_SENT: self._sent,
            socket_lane.SOCKET_FORGET: self._forgotten,
            socket_lane.SOCKET_RECALL: self._recalled,
            socket_lane.SOCKET_HANDED_OVER: self._handed_over,
            socket_lane.SOCKET_REMAINS: self._took_remains,
            socket_lane.SOCKET_LISTENER_HANDED_OVER: self._listener_handed_over,
            socket_lane.SOCKET_REFUSED: lambda report: foreign.refused(report[1]),
            socket_lane.SOCKET_SENT_BY: self._sent_by,
            socket_lane.SOCKET_END_BY: self._ended_by,
            socket_lane.SOCKET_DRAIN_BY: lambda report: self._leases.drain_by(*report[1:]),
            socket_lane.SOCKET_DRAIN_DONE: lambda report: foreign.end_drain(report[2]),
            socket_lane.SOCKET_GONE: self._gone,
            socket_lane.SOCKET_FENCED: lambda report: fence.reached(*report[1:]),
            socket_lane.SOCKET_FILLED: lambda report: foreign.output.filled(*report[1:]),
        }

    # -- new clients --

    def _accepted(self, report: Report) -> None:
        _, listener_id, id_, peer = report
        descriptor = self._ownership.adopt()
        listener = self._ownership.listeners.get(listener_id)
        if listener is None or listener.accept is None:
            if descriptor is not None:
                self._kernel.close(descriptor)
            self._lane.send((CLOSE, id_))
            return
        listener.accepted += 1
        listener.want()
        actor = listener.owner
        socket = self._ownership.add(id_, descriptor, actor, SocketAddress(*peer))
        socket.lease.accepted(actor.address)
        actor.sockets.add(id_)
        self._scheduler.run(actor, f"accept of {socket.peer}", self._accept, listener.accept, socket)
        if socket.owner is None and socket.lease.state is OWNED:
            self._ownership.unclaimed.add(socket)

    async def _accept(self, accept: Callable[[int, SocketAddress], Any], socket: StreamSocket) -> None:
        actor = socket.reports_to  # it may give the client to others, and fail afterwards
        try:
            result = accept(socket.id, socket.peer)
            if inspect.isawaitable(result):
                await result
        except asyncio.CancelledError:
            if actor.ended is None and self._is_of(socket, actor):
                self._ownership.close(socket)  # no other task would
            raise
        except BaseException as error:
            if not (isinstance(error, SocketBroken) and error.errno == socket.lease.error):
                actor.failed(f"in accept of {socket.peer}", error, accept)
            # else it is the peer's reset of this very socket, which has been logged in one line
            if self._is_of(socket, actor):
                self._ownership.abort(socket)

    def _is_of(self, socket: StreamSocket, actor: Actor) -> bool:
        return self._own.get(socket.id) is socket and socket.reports_to is actor

    # -- input --

    def _data(self, report: Report) -> None:
        socket = self._own.get(report[1])
        if socket is not None:
            socket.read_half.received(report[2])
            socket.input_arrived()
        else:
            self._dropped["DATA"] += 1

    def _more(self, report: Report) -> None:
        """Take a first part: DATA of the same socket follows at once, and wakes the reader once for all of it."""
        socket = self._own.get(report[1])
        if socket is not None:
            socket.read_half.received(report[2])
        else:
            self._dropped["MORE"] += 1

    def _lent(self, report: Report) -> None:
        socket = self._own.get(report[1])
        if socket is None:
            self._dropped["SOCKET_LEND"] += 1
        elif socket.lease.lent():
            self._direct_input.watch(socket)

    def _hung_up(self, report: Report) -> None:
        socket = self._own.get(report[1])
        if socket is not None:
            socket.read_half.hung_up = True

    def _half_close_refused(self, report: Report) -> None:
        """Finish this side too: the peer has finished, and its listener wants no half-closed connections."""
        socket = self._own.get(report[1])
        if socket is not None:
            self._leases.shutdown_write(socket)

    # -- output --

    def _sent(self, report: Report) -> None:
        socket = self._own.get(report[1])
        if socket is not None:
            self._leases.progressed(socket, report[2])
        else:
            self._dropped["SOCKET_SENT"] += 1

    def _sent_by(self, report: Report) -> None:
        self._dropped["SENT_BY"] += self._leases.sent_by(*report[1:])

    def _gone(self, report: Report) -> None:
        _, id_, *first = report
        self._leases.gone(id_)
        if first:
            log_late_write(id_)

    # -- the end --

    def _ended_by(self, report: Report) -> None:
        if not self._other_workers.ended_by(*report[1:]):
            self._dropped["END"] += 1

    def _closed(self, report: Report) -> None:
        _, id_, error, *reason = report
        socket = self._ownership.get_held(id_)
        if socket is None:
            self._dropped["CLOSE"] += 1
            return
        known_error = socket.lease.error
        socket.lease.closed(error)
        self._ended(socket, known_error, *reason)
        socket.wake_reader()

    def _broken(self, report: Report) -> None:
        _, id_, error, *reason = report
        socket = self._ownership.get_held(id_)
        if socket is not None:
            known_error = socket.lease.error
            socket.lease.broken(error)
            self._ended(socket, known_error, *reason)
        elif (listener := self._ownership.listeners.get(id_)) is not None:
            log_error(listener.owner, f"socket: error on {id_} {os.strerror(error)}")
        else:
            self._dropped["ERROR"] += 1

    def _ended(self, socket: StreamSocket, known_error: int, reason: str = CloseReason.RESET) -> None:
        """Tell the actor, and the log, that the read half has ended or the connection is broken.

        The errno is logged once, when it becomes known.
        """
        error = socket.lease.error
        self._notices.ended(socket, CloseReason(reason) if error else CloseReason.EOF)
        if not error:
            return
        if not known_error:
            why = "" if reason == CloseReason.RESET else f" ({reason})"
            log_error(socket.reports_to, f"socket: error on {socket.id} {os.strerror(error)}{why}")
        self._leases.wake_drainers(socket)

    def _forgotten(self, report: Report) -> None:
        _, id_, *reason = report
        socket = self._ownership.forget(id_)
        if socket is None:
            self._dropped["SOCKET_FORGET"] += 1
        elif isinstance(socket, StreamSocket):
            if reason:
                self._notices.ended(socket, CloseReason(*reason))
            self._leases.wake_drainers(socket)

    # -- sockets that change hands --

    def _recalled(self, report: Report) -> None:
        if not self._other_workers.recall(report[1]):
            self._dropped["SOCKET_RECALL"] += 1

    def _handed_over(self, report: Report) -> None:
        _, id_, *fields, peer, local, has_connected = report
        self._other_workers.handed_over(id_, fields, (peer, local, has_connected))

    def _took_remains(self, report: Report) -> None:
        _, id_, *fields, reason, peer, local, has_connected = report
        self._other_workers.took_remains(id_, fields, CloseReason(reason), (peer, local, has_connected))

    def _listener_handed_over(self, report: Report) -> None:
        _, id_, accepted, local = report
        self._other_workers.listener_handed_over(id_, accepted, SocketAddress(*local))
