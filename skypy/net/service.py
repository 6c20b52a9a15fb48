"""The socket service: owns every socket of the node and reports over lanes what happens to them.

Ids are given out once and never again. A request for an id that is not known, or no longer this worker's, crossed a
report on its way: it is dropped and counted.
"""

from __future__ import annotations

import errno
import itertools
import socket
from collections import Counter
from collections.abc import Callable, Container, Sequence
from typing import Any, Final

from skypy.core.causal.passages import Passages
from skypy.core.close_reason import CloseReason
from skypy.core.log_line import log_line
from skypy.core.output_marks import MARKS, marked
from skypy.core.settings import SocketSettings
from skypy.core.tcp.connection import Connection
from skypy.core.tcp.state import CONNECTING, OWNED
from skypy.core.timing.spinning import SpinSetting
from skypy.core.wire import socket_lane
from skypy.core.wire.socket_lane import SOCKET_ACCEPT, SOCKET_FAILED, SOCKET_OPEN
from skypy.lane.lane import Lane
from skypy.net.connected_socket import ConnectedSocket
from skypy.net.connector import Connector
from skypy.net.kernel_facts import local_address
from skypy.net.listener import Listener
from skypy.net.netstat import row_of_connection, row_of_listener
from skypy.net.owned_sockets import OwnedSockets
from skypy.net.owner_requests import OWNER_REQUESTS, serve
from skypy.net.reactor import Reactor
from skypy.net.shared import Shared
from skypy.net.worker_lane import Serve, WorkerLane
from skypy.system.socket_kernel import LINUX, SocketKernel

RESERVED_DESCRIPTORS: Final = 64
"""Descriptors kept free for lanes, epoll and the copies of descriptors on their way: only sockets meet the limit. Where
the limit is low, half of it is kept free."""


class SocketService:
    """The reactor with everything on it. `log` takes whole lines."""

    def __init__(
        self,
        settings: SocketSettings,
        log: Callable[[str], None],
        kernel: SocketKernel = LINUX,
        spin: SpinSetting = 0,
    ) -> None:
        self.reactor = Reactor(self._flush_lanes, log, kernel, spin)
        self.shared = Shared(
            self.reactor, kernel, settings, log, crowded=lambda: self.crowded, freed=self._connection_freed
        )
        self.dropped: Counter[int] = Counter()
        """The number of requests that crossed a close and were dropped, by their kind."""
        self.closed: Counter[CloseReason] = Counter()
        """The number of connections that have ended, by the reason."""
        self.passages = Passages(self._find)
        """The writes of workers to sockets of others."""
        self._log = log
        self._ids = itertools.count(1)
        self._lanes: list[WorkerLane] = []
        self.sockets = OwnedSockets(kernel)
        self._sockets = self.sockets.connected
        self._connectors: dict[tuple[WorkerLane, int], Connector] = {}  # by the worker and its ticket
        limit = kernel.descriptor_limit()
        self._limit = limit - min(RESERVED_DESCRIPTORS, limit // 2)
        self._requests: dict[int, Serve] = {
            **dict.fromkeys(OWNER_REQUESTS, self._about_socket),
            socket_lane.LISTEN: self._listen,
            socket_lane.CONNECT: self._connect,
            socket_lane.CANCEL: self._cancel,
            socket_lane.TAKE_OVER: self.sockets.take_over,
            socket_lane.SEND: lambda worker, message: self.passages.send(worker, message[1], message[2]),
            socket_lane.FENCE: lambda worker, message: self.passages.fence(worker, *message[1:]),
            socket_lane.RECEIPT: lambda worker, message: self.passages.receipt(worker, *message[1:]),
            socket_lane.DRAIN: lambda worker, message: self.passages.drain(worker, message[1], message[2]),
            socket_lane.DRAINED: self._drained,
            socket_lane.END: self._end_by,
            socket_lane.OWNER: self.sockets.tell_owner,
            socket_lane.NETSTAT: self._netstat,
            socket_lane.MARKS: self._take_marks,
        }

    def add_lane(self, lane: Lane, process_number: int) -> WorkerLane:
        """Let a worker join."""
        worker = WorkerLane(lane, process_number, self.reactor, self._requests, self._lane_ended)
        self._lanes.append(worker)
        return worker

    @property
    def crowded(self) -> bool:
        """True if there are as many sockets as this process may hold."""
        return len(self._sockets) + len(self._connectors) >= self._limit

    @property
    def connections(self) -> list[Connection]:
        """Every connection there is."""
        return [connected.connection for connected in self._sockets.values()]

    @property
    def busy(self) -> bool:
        """True if a worker is connected or a connection is still open."""
        return bool(self._lanes or self._sockets)

    def end_by_force(self) -> None:
        """End the connections that are being closed: no time is left for them."""
        for connected in list(self._sockets.values()):
            connected.end_by_force()

    # -- new sockets --

    def _listen(self, worker: WorkerLane, message: Sequence[Any]) -> None:
        _, ticket, addresses, backlog, avoid_time_wait, half_close = message
        error = errno.EADDRNOTAVAIL
        for address in addresses:
            try:
                listening = self.shared.kernel.listening_socket(tuple(address), backlog)
            except OSError as met:
                error = met.errno or error
                continue
            listener = Listener(
                next(self._ids),
                worker,
                listening,
                self.shared,
                self._accepted,
                avoid_time_wait=avoid_time_wait,
                half_close=half_close,
            )
            self.sockets.listeners[listener.id] = listener
            opened = (SOCKET_OPEN, ticket, listener.id, local_address(listening), None)
            worker.send_with_descriptor(opened, listener.fileno())
            return
        worker.send((SOCKET_FAILED, ticket, error))

    def _accepted(self, listener: Listener, client: socket.SocketType, address: tuple[str, int]) -> None:
        worker = listener.worker
        connection = Connection(next(self._ids), worker)
        connection.half_close = listener.half_close
        connected = self._add(connection, client, avoid_time_wait=listener.avoid_time_wait)
        worker.send_with_descriptor((SOCKET_ACCEPT, listener.id, connection.id, address), client.fileno())
        if listener.first_credit:
            connection.credit(listener.first_credit, listener.owner)
            self.reactor.guarded(connected, connected.update_interest)

    def _connect(self, worker: WorkerLane, message: Sequence[Any]) -> None:
        _, ticket, addresses = message
        if self.crowded:
            worker.send((SOCKET_FAILED, ticket, errno.EMFILE))
            return
        connection = Connection(next(self._ids), worker, CONNECTING)

        def done(connector: Connector, socket_: socket.socket | None, peer: tuple[str, int]) -> None:
            self._connectors.pop((worker, ticket), None)
            if socket_ is None:
                self.closed[CloseReason.NOT_CONNECTED] += 1
                worker.send((SOCKET_FAILED, ticket, connector.connection.error or errno.EIO))
                return
            avoid = self.shared.settings.time_wait == "avoid"
            self._add(connection, socket_, avoid_time_wait=avoid, connected_by_us=True)
            opened = (SOCKET_OPEN, ticket, connection.id, local_address(socket_), peer)
            worker.send_with_descriptor(opened, socket_.fileno())

        resolved = [tuple(address) for address in addresses]
        connector = Connector(connection, resolved, self.shared, done)
        self._connectors[worker, ticket] = connector
        connector.try_next()

    def _cancel(self, worker: WorkerLane, message: Sequence[Any]) -> None:
        connector = self._connectors.pop((worker, message[1]), None)
        if connector is not None:
            connector.abandon()

    def _add(
        self,
        connection: Connection,
        socket_: socket.SocketType,
        *,
        avoid_time_wait: bool,
        connected_by_us: bool = False,
    ) -> ConnectedSocket:
        connected = ConnectedSocket(
            connection, socket_, self.shared, avoid_time_wait=avoid_time_wait, connected_by_us=connected_by_us
        )
        self._sockets[connection.id] = connected
        return connected

    # -- sockets of the worker that asks --

    def _about_socket(self, worker: WorkerLane, message: Sequence[Any]) -> None:
        """Serve a request about a connection or a listener, which the worker must own."""
        kind, id_, *fields = message
        connected = self._sockets.get(id_)
        if connected is not None:
            connection = connected.connection
            if connection.worker is worker and connection.state in OWNED:
                self.reactor.guarded(connected, serve, connected, kind, fields)
                return
        if not self.sockets.serve_ended(worker, kind, id_, fields):
            self.dropped[kind] += 1

    # -- sockets of any worker --

    def _end_by(self, worker: WorkerLane, message: Sequence[Any]) -> None:
        kind, id_, how = message
        if not self.passages.end(worker, how, self.sockets.find(id_)):
            self.dropped[kind] += 1

    def _find(self, id_: int) -> Connection | None:
        connected = self._sockets.get(id_)
        return None if connected is None else connected.connection

    def _drained(self, worker: WorkerLane, message: Sequence[Any]) -> None:
        _, id_, process_number, ticket = message
        connected = self._sockets.get(id_)
        # DRAINED of a former owner means nothing: the new owner's worker is asked again.
        if connected is not None and connected.connection.worker is worker:
            hand_over = connected.connection.hand_over
            if hand_over is not None:
                hand_over.drained(process_number, ticket)

    def _netstat(self, worker: WorkerLane, message: Sequence[Any]) -> None:
        rows = [row_of_listener(listener) for listener in self.sockets.listeners.values()]
        rows += [row_of_connection(connected, self.shared.kernel) for connected in self._sockets.values()]
        worker.send((socket_lane.SOCKET_NETSTAT, message[1], rows, self._counters()))

    def _counters(self) -> dict[str, int]:
        counters = {f"closed: {reason}": count for reason, count in self.closed.items()}
        counters["dropped requests"] = self.dropped.total()
        counters["writes_after_close"] = self.passages.late
        counters["foreign_writes_lost"] = self.passages.lost
        counters["clients turned away"] = self.shared.spare.turned_away
        return counters

    # -- the marks of a worker's output --

    def _take_marks(self, worker: WorkerLane, message: Sequence[Any]) -> None:
        del message
        self._close_marks(worker)
        worker.marks = worker.take_descriptor()

    def _close_marks(self, worker: WorkerLane) -> None:
        if worker.marks is not None:
            self.shared.kernel.close(worker.marks)
            worker.marks = None

    def _marked_by(self, worker: WorkerLane) -> Container[int]:
        """Return the ids of the connections with output that a worker had not handed over when it ended."""
        if worker.marks is None:
            return ()
        numbers = self.shared.kernel.read_numbers(worker.marks, MARKS)
        self._close_marks(worker)
        return marked(numbers) if numbers else ()

    # -- ends --

    def _connection_freed(self, connection: Connection) -> None:
        self.sockets.freed(connection)
        self.passages.dropped(connection, by_death=connection.reason is CloseReason.WORKER_DIED)
        self.closed[connection.reason or CloseReason.CLOSED] += 1

    def _lane_ended(self, worker: WorkerLane, reason: str) -> None:
        """Close everything of a worker that is gone; its last message was read, so its output is flushed before FIN."""
        self._lanes.remove(worker)
        self.passages.worker_ended(worker)
        if reason:
            self._log(log_line("socket service", f"a worker's lane was ended: {reason}"))
        for lane, ticket in [key for key in self._connectors if key[0] is worker]:
            self._connectors.pop((lane, ticket)).abandon()
        self.sockets.worker_died(worker, self._marked_by(worker))

    def _flush_lanes(self) -> None:
        """Flush every lane. One whose batch cannot be packed, for want of memory, ends alone.

        The others are flushed once more then: they have been told of its end.
        """
        again = True
        while again:
            again = False
            for lane in self._lanes:
                try:
                    lane.flush()
                except Exception as error:
                    self.reactor.failed(lane, error)
                    again = True
                    break
