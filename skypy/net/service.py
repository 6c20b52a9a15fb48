"""The socket service: owns every socket of the node and says over lanes what happens to them.

Ids are given out once and never again. A request for an id that is not known, or no longer this worker's, crossed
something on its way: it is dropped and counted.
"""

from __future__ import annotations

import errno
import itertools
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

from skypy.core.address import format_address
from skypy.core.close_reason import CloseReason
from skypy.core.settings import SocketSettings
from skypy.core.tcp.connection import Connection
from skypy.core.tcp.state import State
from skypy.core.wire import socket_lane
from skypy.core.wire.socket_lane import SOCKET_ACCEPT, SOCKET_FAILED, SOCKET_OPEN
from skypy.lane.lane import Lane
from skypy.net.connected_socket import Stream
from skypy.net.connector import Connector
from skypy.net.listener import Listener, Spare, bind_and_listen
from skypy.net.netstat import row_of_listener, row_of_stream
from skypy.net.reactor import Reactor
from skypy.net.worker_lane import Command, WorkerLane
from skypy.system.socket_kernel import LINUX, SocketKernel

RESERVED_DESCRIPTORS: Final = 64
"""Kept free for lanes, epoll and the copies of descriptors on their way, so that nothing else meets the limit."""


class SocketService:
    """The reactor with everything on it. `log` takes whole lines."""

    def __init__(self, settings: SocketSettings, log: Callable[[str], None], kernel: SocketKernel = LINUX) -> None:
        self.settings = settings
        self.kernel = kernel
        self.reactor = Reactor(self._flush_lanes, log, kernel, settings.spin / 1e6)
        self.spare = Spare(kernel)
        self.dropped: Counter[int] = Counter()
        """How often a request that crossed a close was dropped, by its kind."""
        self.closed: Counter[CloseReason] = Counter()
        """How many connections have ended, by the reason."""
        self._log = log
        self._ids = itertools.count(1)
        self._lanes: list[WorkerLane] = []
        self._streams: dict[int, Stream] = {}
        self._connectors: dict[tuple[WorkerLane, int], Connector] = {}
        self._limit = kernel.descriptor_limit() - RESERVED_DESCRIPTORS
        self._commands: dict[int, Command] = {
            socket_lane.LISTEN: self._listen,
            socket_lane.CONNECT: self._connect,
            socket_lane.CANCEL: self._cancel,
            socket_lane.CREDIT: self._credit,
            socket_lane.WRITE: self._of_stream,
            socket_lane.SHUTDOWN: self._of_stream,
            socket_lane.CLOSE: self._close,
            socket_lane.ABORT: self._of_stream,
            socket_lane.SEND: self._pass_on,
            socket_lane.DRAIN: self._pass_on,
            socket_lane.DRAINED: self._drained,
            socket_lane.TAKE_OVER: self._claim,
            socket_lane.YIELD: self._of_stream,
            socket_lane.BREAK: self._of_stream,
            socket_lane.NETSTAT: self._netstat,
            socket_lane.RETURN: self._of_stream,
        }

    def add_lane(self, lane: Lane, number: int) -> WorkerLane:
        """The worker with process number `number` has joined."""
        worker = WorkerLane(lane, number, self.reactor, self._commands, self._lane_ended)
        self._lanes.append(worker)
        return worker

    @property
    def crowded(self) -> bool:
        """Whether there are as many sockets as this process may hold."""
        return len(self._streams) + len(self._connectors) >= self._limit

    @property
    def connections(self) -> list[Connection]:
        """Every connection there is."""
        return [stream.connection for stream in self._streams.values()]

    @property
    def busy(self) -> bool:
        """Whether a worker is connected or a connection still open."""
        return bool(self._lanes or self._streams)

    def freed(self, stream: Stream) -> None:
        """A connection has come to its end."""
        del self._streams[stream.connection.id]
        self.closed[stream.connection.reason or CloseReason.CLOSED] += 1

    def end_by_force(self) -> None:
        """No more time for connections that are being closed."""
        for stream in list(self._streams.values()):
            stream.end_by_force()

    def log_of(self, owner: int, text: str) -> None:
        """Say something for the actor that owned a socket."""
        self._log(f"[{format_address(owner)}] {text}")

    # -- requests --

    def _listen(self, worker: WorkerLane, message: Sequence[Any]) -> None:
        _, request, addresses, backlog, avoid_time_wait, half_close = message
        error = errno.EADDRNOTAVAIL
        for address in addresses:
            try:
                end = bind_and_listen(tuple(address), backlog, self.kernel)
            except OSError as met:
                error = met.errno or error
                continue
            listener = Listener(
                next(self._ids), end, self.reactor, self, lambda *client: self._accepted(worker, *client), worker.send
            )
            listener.avoid_time_wait = avoid_time_wait
            listener.half_close = half_close
            worker.listeners[listener.id] = listener
            worker.send_with_descriptor(
                (SOCKET_OPEN, request, listener.id, end.getsockname()[:2], None), listener.fileno()
            )
            return
        worker.send((SOCKET_FAILED, request, error))

    def _accepted(
        self, worker: WorkerLane, listener: Listener, end: socket.SocketType, address: tuple[str, int]
    ) -> None:
        connection = Connection(next(self._ids), worker)
        connection.half_close = listener.half_close
        stream = self._add(worker, connection, end, avoid_time_wait=listener.avoid_time_wait)
        worker.send_with_descriptor((SOCKET_ACCEPT, listener.id, connection.id, address), end.fileno())
        if listener.first_credit:
            connection.credit(listener.first_credit, listener.owner)
            self.reactor.guarded(stream, stream.update_interest)

    def _connect(self, worker: WorkerLane, message: Sequence[Any]) -> None:
        _, request, addresses = message
        if self.crowded:
            worker.send((SOCKET_FAILED, request, errno.EMFILE))
            return
        connection = Connection(next(self._ids), worker, State.CONNECTING)

        def done(connector: Connector, end: socket.socket | None, peer: tuple[str, int]) -> None:
            self._connectors.pop((worker, request), None)
            if end is None:
                self.closed[CloseReason.NOT_CONNECTED] += 1
                worker.send((SOCKET_FAILED, request, connector.connection.error or errno.EIO))
                return
            avoid = self.settings.time_wait == "avoid"
            self._add(worker, connection, end, avoid_time_wait=avoid, connected_by_us=True)
            opened = (SOCKET_OPEN, request, connection.id, end.getsockname()[:2], peer)
            worker.send_with_descriptor(opened, end.fileno())

        resolved = [tuple(address) for address in addresses]
        connector = Connector(connection, resolved, self.reactor, done, self.kernel)
        self._connectors[worker, request] = connector
        connector.try_next()

    def _cancel(self, worker: WorkerLane, message: Sequence[Any]) -> None:
        connector = self._connectors.pop((worker, message[1]), None)
        if connector is not None:
            connector.abandon()

    def _credit(self, worker: WorkerLane, message: Sequence[Any]) -> None:
        stream = self._streams.get(message[1])
        if stream is not None and stream.outlet is worker and stream.connection.owned:
            self.reactor.guarded(stream, self._do, stream, socket_lane.CREDIT, message[2:])
        elif message[1] in worker.listeners:
            worker.listeners[message[1]].credit(*message[2:])
        else:
            self.dropped[socket_lane.CREDIT] += 1

    def _close(self, worker: WorkerLane, message: Sequence[Any]) -> None:
        listener = worker.listeners.pop(message[1], None)
        if listener is None:
            self._of_stream(worker, message)
        else:
            listener.close()
            worker.send((socket_lane.SOCKET_FORGET, message[1]))

    def _of_stream(self, worker: WorkerLane, message: Sequence[Any]) -> None:
        """A request about a connection, which the worker must own."""
        kind, id_, *fields = message
        stream = self._streams.get(id_)
        if stream is None or stream.outlet is not worker or not stream.connection.owned:
            self.dropped[kind] += 1
        else:
            self.reactor.guarded(stream, self._do, stream, kind, fields)

    def _do(self, stream: Stream, kind: int, fields: Sequence[Any]) -> None:
        connection = stream.connection
        match kind:
            case socket_lane.CREDIT:
                connection.credit(*fields)
            case socket_lane.WRITE:
                position, queued, error = fields
                stream.perform(connection.write(position, queued, error))
            case socket_lane.SHUTDOWN:
                stream.perform(connection.shutdown(fields[0]))
            case socket_lane.CLOSE:
                stream.perform(connection.close(*map(CloseReason, fields)))
            case socket_lane.ABORT:
                by_reset, *reason = fields
                stream.perform(connection.abort(*map(CloseReason, reason), by_reset=by_reset))
            case socket_lane.BREAK:
                error, limit = fields
                stream.perform(connection.break_off(error, CloseReason(limit)))
            case socket_lane.RETURN:
                stream.perform(connection.returned(*fields))
            case socket_lane.YIELD:
                self._yield(stream, fields)
        stream.update_interest()

    # -- sockets that change hands, and those of others --

    def _pass_on(self, worker: WorkerLane, message: Sequence[Any]) -> None:
        kind, id_, *fields = message
        stream = self._streams.get(id_)
        if stream is None:
            worker.send((socket_lane.SOCKET_GONE, id_))
        else:
            stream.connection.pass_on(worker, kind, *fields)

    def _drained(self, worker: WorkerLane, message: Sequence[Any]) -> None:
        _, id_, number, request = message
        stream = self._streams.get(id_)
        if stream is not None:
            stream.connection.drained(worker, number, request)

    def _claim(self, worker: WorkerLane, message: Sequence[Any]) -> None:
        stream = self._streams.get(message[1])
        if stream is None:
            worker.send((socket_lane.SOCKET_REFUSED, message[1]))
        else:
            stream.connection.claim(worker)
            stream.update_interest()

    def _yield(self, stream: Stream, last_words: Sequence[Any]) -> None:
        connection = stream.connection
        own = connection.yielded(*last_words)
        taker = connection.worker
        if own is None or not isinstance(taker, WorkerLane):
            stream.perform(connection.close(CloseReason.WORKER_DIED))
        else:
            stream.outlet = taker
            taker.send_with_descriptor((*own, stream.peer_address()), stream.fileno())
            stream.perform(connection.resume())

    # --

    def _netstat(self, worker: WorkerLane, message: Sequence[Any]) -> None:
        listeners = [listener for lane in self._lanes for listener in lane.listeners.values()]
        rows = [row_of_listener(listener) for listener in listeners]
        rows += [row_of_stream(stream) for stream in self._streams.values()]
        worker.send((socket_lane.SOCKET_NETSTAT, message[1], rows, self._counters()))

    def _counters(self) -> dict[str, int]:
        counters = {f"closed: {reason}": count for reason, count in self.closed.items()}
        counters["dropped requests"] = self.dropped.total()
        counters["clients turned away"] = self.spare.turned_away
        return counters

    def _add(
        self,
        worker: WorkerLane,
        connection: Connection,
        end: socket.SocketType,
        *,
        avoid_time_wait: bool,
        connected_by_us: bool = False,
    ) -> Stream:
        stream = Stream(connection, end, worker, self, avoid_time_wait=avoid_time_wait, connected_by_us=connected_by_us)
        self._streams[connection.id] = stream
        return stream

    def _lane_ended(self, worker: WorkerLane, reason: str) -> None:
        """The worker is gone and its last message was read: what it had handed over is flushed, then FIN."""
        self._lanes.remove(worker)
        if reason:
            self._log(f"[socket service] a worker's lane was ended: {reason}")
        for listener in worker.listeners.values():
            listener.close()
        for lane, request in [key for key in self._connectors if key[0] is worker]:
            self._connectors.pop((lane, request)).abandon()
        for stream in list(self._streams.values()):
            if stream.connection.worker_died(worker):
                stream.perform(stream.connection.close(CloseReason.WORKER_DIED))
                stream.update_interest()

    def _flush_lanes(self) -> None:
        for lane in self._lanes:
            lane.flush()
