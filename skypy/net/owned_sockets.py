"""Everything in the socket service that an actor can own: connections, what remains of ended ones, and listeners.

A worker that has no such socket may take it over, end it, or ask for its owner.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

from skypy.core.tcp.connection import Connection
from skypy.core.tcp.hand_over import Remains
from skypy.core.tcp.state import OWNED
from skypy.core.wire.socket_lane import (
    CLOSE,
    CREDIT,
    SOCKET_FORGET,
    SOCKET_OWNER,
    SOCKET_REFUSED,
    YIELD,
)
from skypy.net.connected_socket import ConnectedSocket
from skypy.net.listener import Listener
from skypy.net.owner_requests import end_after_worker
from skypy.net.worker_lane import WorkerLane
from skypy.system.socket_kernel import SocketKernel


class OwnedSockets:
    """The sockets, by id. Ids are given out once, so an id names one socket at most."""

    def __init__(self, kernel: SocketKernel) -> None:
        self._kernel = kernel
        self.connected: dict[int, ConnectedSocket] = {}
        self.listeners: dict[int, Listener] = {}
        self._ended: dict[int, Remains] = {}  # of connections whose sockets are freed

    def find(self, id_: int) -> Connection | Remains | Listener | None:
        """Return the part of a socket that its owner has, or None when it is gone."""
        connected = self.connected.get(id_)
        if connected is not None:
            return connected.connection.remains or connected.connection
        return self._ended.get(id_) or self.listeners.get(id_)

    # -- requests of the owner's worker; those about connections that have not ended are in owner_requests.py --

    def serve_ended(self, worker: WorkerLane, kind: int, id_: int, fields: Sequence[Any]) -> bool:
        """Serve a request about a connection that has ended under its owner, or about a listener.

        Return False if it means nothing: it has crossed a report, or the worker does not own the socket.
        """
        socket_ = self.find(id_)
        if socket_ is None or socket_.worker is not worker or isinstance(socket_, Connection):
            return False
        if isinstance(socket_, Listener):
            return self._serve_listener(worker, kind, socket_, fields)
        served = socket_.serve(kind, fields)
        self._forget_if_left(id_, socket_)
        return served

    def _serve_listener(self, worker: WorkerLane, kind: int, listener: Listener, fields: Sequence[Any]) -> bool:
        if kind == CREDIT:
            listener.credit(*fields)
        elif kind == CLOSE:
            self._close_listener(listener)
            worker.send((SOCKET_FORGET, listener.id))
        elif kind == YIELD and not listener.yielded():
            self._close_listener(listener)
        return True

    def _close_listener(self, listener: Listener) -> None:
        del self.listeners[listener.id]
        listener.close()

    # -- requests of other workers --

    def take_over(self, worker: WorkerLane, message: Sequence[Any]) -> None:
        """Serve TAKE_OVER."""
        id_ = message[1]
        socket_ = self.find(id_)
        if socket_ is None:
            worker.send((SOCKET_REFUSED, id_))
            return
        socket_.take_over(worker)
        if id_ in self.connected:
            self.connected[id_].update_interest()

    def tell_owner(self, worker: WorkerLane, message: Sequence[Any]) -> None:
        """Serve OWNER."""
        _, ticket, id_ = message
        socket_ = self.find(id_)
        closed = socket_ is None or (isinstance(socket_, Connection) and socket_.state not in OWNED)
        worker.send((SOCKET_OWNER, ticket, 0 if socket_ is None or closed else socket_.owner))

    # -- ends --

    def freed(self, connection: Connection) -> None:
        """Note that a connection has ended; what remains of it is kept until its owner leaves it."""
        del self.connected[connection.id]
        if connection.remains is not None and not connection.remains.left:
            self._ended[connection.id] = connection.remains

    def worker_died(self, worker: WorkerLane, marked: Container[int]) -> None:
        """Close everything of a worker that has died; `marked` are the connections with output that it had left."""
        for listener in list(self.listeners.values()):
            listener.hand_over.worker_died(worker)
            if listener.worker is worker:
                self._close_listener(listener)
        for id_, remains in list(self._ended.items()):
            remains.worker_died(worker)
            self._forget_if_left(id_, remains)
        for id_, connected in list(self.connected.items()):
            connection = connected.connection
            if connection.hand_over is not None:
                connection.hand_over.worker_died(worker)
            if connection.remains is not None:
                connection.remains.worker_died(worker)
                self._forget_if_left(connection.id, connection.remains)
            elif connection.worker is worker and connection.state in OWNED:
                end_after_worker(connected, self._kernel, missing=id_ in marked)

    def _forget_if_left(self, id_: int, remains: Remains) -> None:
        if remains.left:
            self._ended.pop(id_, None)
            if id_ in self.connected:  # it lingers
                self.connected[id_].connection.remains = None
