"""What the socket service reports, as the worker takes it: to readers, writers, claimants and the log."""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from skypy.core.close_reason import CloseReason
from skypy.core.errors import InternalError, SocketBroken
from skypy.core.socket_address import SocketAddress
from skypy.core.tcp.lease import LeaseState, Reading
from skypy.core.wire import socket_lane
from skypy.core.wire.socket_lane import CLOSE
from skypy.worker.actors.actor import Life
from skypy.worker.sockets.stream_socket import StreamSocket

if TYPE_CHECKING:
    from skypy.worker.actors.actor import Actor
    from skypy.worker.sockets.sockets import Sockets

_Report = Sequence[Any]
_EOF: Final = CloseReason.EOF


class SocketReports:
    """A handler for each kind of message from the service. One that crossed a close is dropped and counted."""

    def __init__(self, sockets: Sockets) -> None:
        self._sockets = sockets
        self.by_kind: dict[int, Callable[[_Report], None]] = {
            socket_lane.SOCKET_OPEN: self._opened,
            socket_lane.SOCKET_FAILED: self._failed,
            socket_lane.SOCKET_ACCEPT: self._accepted,
            socket_lane.SOCKET_DATA: self._data,
            socket_lane.SOCKET_MORE: self._more,
            socket_lane.SOCKET_LEND: self._lend,
            socket_lane.SOCKET_CLOSE: self._closed,
            socket_lane.SOCKET_ERROR: self._error,
            socket_lane.SOCKET_REFUSE_HALF_CLOSE: self._finish,
            socket_lane.SOCKET_HANGUP: self._hung_up,
            socket_lane.SOCKET_SENT: self._sent,
            socket_lane.SOCKET_FORGET: self._forget,
            socket_lane.SOCKET_SENT_BY: self._sent_by,
            socket_lane.SOCKET_DRAIN_BY: lambda message: sockets.leases.drain_by(*message[1:]),
            socket_lane.SOCKET_DRAIN_DONE: lambda message: sockets.leases.foreign.end_drain(message[2]),
            socket_lane.SOCKET_GONE: lambda message: sockets.leases.foreign.gone(message[1]),
            socket_lane.SOCKET_RECALL: self._recall,
            socket_lane.SOCKET_HANDED_OVER: self._take_over,
            socket_lane.SOCKET_REFUSED: lambda message: sockets.leases.foreign.refused(message[1]),
            socket_lane.SOCKET_NETSTAT: self._answered,
        }

    # -- answers --

    def _opened(self, message: _Report) -> None:
        _, request, id_, local, peer = message
        descriptor = self._sockets.adopt()
        if not self._sockets.lane.answered(request, (id_, descriptor, local, peer)):
            self._sockets.refuse(id_, descriptor, local, peer)

    def _failed(self, message: _Report) -> None:
        self._sockets.lane.refused(message[1], OSError(message[2], os.strerror(message[2])))

    def _answered(self, message: _Report) -> None:
        _, request, *answer = message
        self._sockets.lane.answered(request, answer)

    # -- new clients --

    def _accepted(self, message: _Report) -> None:
        _, listener_id, id_, peer = message
        sockets = self._sockets
        descriptor = sockets.adopt()
        listener = sockets.listeners.get(listener_id)
        if listener is None or listener.accept is None:
            if descriptor is not None:
                sockets.kernel.close(descriptor)
            sockets.lane.send((CLOSE, id_))
            return
        listener.accepted += 1
        listener.want()
        actor = listener.owner
        socket = sockets.add(id_, descriptor, actor, SocketAddress(*peer))
        socket.accepted(actor.address)
        actor.sockets.add(id_)
        sockets.run(actor, f"accept of {socket.peer}", self._accept, listener.accept, socket)
        if not socket.started and socket.state is LeaseState.OWNED and socket.unclaimed is None:
            sockets.await_claim(socket)

    async def _accept(self, accept: Callable[[int, SocketAddress], Any], socket: StreamSocket) -> None:
        actor = socket.owner  # it may give the client to others, and fail afterwards
        try:
            result = accept(socket.id, socket.peer)
            if inspect.isawaitable(result):
                await result
        except asyncio.CancelledError:
            if actor.ended is None and self._is_of(socket, actor):
                self._sockets.close_socket(socket)  # nobody else would
            raise
        except BaseException as error:
            _accept_failed(actor, accept, socket, error)
            if self._is_of(socket, actor):
                self._sockets.shutdown(socket)

    def _is_of(self, socket: StreamSocket, actor: Actor) -> bool:
        return self._sockets.own.get(socket.id) is socket and socket.owner is actor

    # -- input --

    def _data(self, message: _Report) -> None:
        sockets = self._sockets
        socket = sockets.own.get(message[1])
        if socket is None:
            sockets.dropped["DATA"] += 1
            return
        socket.data_received(message[2])
        socket.input_arrived()

    def _lend(self, message: _Report) -> None:
        socket = self._sockets.own.get(message[1])
        if socket is not None:
            socket.lend()
        else:
            self._sockets.dropped["SOCKET_LEND"] += 1

    def _more(self, message: _Report) -> None:
        """DATA of the same socket follows at once: it wakes the reader, once for all of it."""
        socket = self._sockets.own.get(message[1])
        if socket is not None:
            socket.data_received(message[2])
        else:
            self._sockets.dropped["MORE"] += 1

    def _hung_up(self, message: _Report) -> None:
        socket = self._sockets.own.get(message[1])
        if socket is not None:
            socket.hung_up = True

    def _closed(self, message: _Report) -> None:
        _, id_, error, *reason = message
        socket = self._held(id_)
        if socket is None:
            self._sockets.dropped["CLOSE"] += 1
            return
        socket.input_ended(error)
        self._ended(socket, *reason)
        socket.wake_reader()

    def _finish(self, message: _Report) -> None:
        """The peer has finished, and its listener wants no half-closed connections."""
        socket = self._sockets.own.get(message[1])
        if socket is not None:
            self._sockets.leases.shutdown_write(socket)

    # -- output --

    def _error(self, message: _Report) -> None:
        _, id_, error, *reason = message
        socket = self._held(id_)
        if socket is not None:
            socket.write_broke(error)
            self._ended(socket, *reason)
        elif id_ in self._sockets.listeners:
            owner = self._sockets.listeners[id_].owner
            self._sockets.log_error(owner, f"socket: error on {id_} {os.strerror(error)}")
        else:
            self._sockets.dropped["ERROR"] += 1

    def _held(self, id_: int) -> StreamSocket | None:
        """The socket with an id, even when its actor has closed it and SOCKET_FORGET has not come yet."""
        return self._sockets.own.get(id_) or self._sockets.leases.parting.get(id_)

    def _ended(self, socket: StreamSocket, reason: str = CloseReason.RESET) -> None:
        """The read half has ended or the connection is broken: those who wait or asked are told, and the log."""
        error = socket.error
        self._sockets.ended(socket, CloseReason(reason) if error else _EOF)
        if not error:
            return
        if not socket.told:
            socket.told = True
            why = "" if reason == CloseReason.RESET else f" ({reason})"
            self._sockets.log_error(socket.owner, f"socket: error on {socket.id} {os.strerror(error)}{why}")
        self._sockets.leases.wake_drainers(socket)

    def _sent(self, message: _Report) -> None:
        socket = self._sockets.own.get(message[1])
        if socket is not None:
            self._sockets.leases.progressed(socket, message[2])
        else:
            self._sockets.dropped["SOCKET_SENT"] += 1

    def _forget(self, message: _Report) -> None:
        sockets = self._sockets
        _, id_, *reason = message
        socket = sockets.leases.forget(id_) or sockets.closed_listeners.pop(id_, None)
        if socket is None:
            sockets.dropped["SOCKET_FORGET"] += 1
            return
        descriptor = socket.forgotten()
        if descriptor is not None:
            sockets.kernel.close(descriptor)
        if isinstance(socket, StreamSocket):
            if reason:
                sockets.ended(socket, CloseReason(*reason))
            sockets.leases.wake_drainers(socket)

    # -- sockets that change hands --

    def _sent_by(self, message: _Report) -> None:
        _, id_, source, queued = message
        del source
        if not self._sockets.leases.sent_by(id_, queued):
            self._sockets.dropped["SEND"] += 1

    def _recall(self, message: _Report) -> None:
        socket = self._sockets.leases.recall(message[1])
        if socket is not None:
            socket.forget_callbacks()
            self._sockets.disown(socket)
        else:
            self._sockets.dropped["SOCKET_RECALL"] += 1

    def _take_over(self, message: _Report) -> None:
        _, id_, *fields, peer = message
        sockets = self._sockets
        descriptor = sockets.adopt()
        claim = sockets.leases.foreign.take_claim(id_)
        if claim is None:
            raise InternalError(f"socket {id_} came without having been claimed")
        waiting = [waiter for waiter in claim.waiters if not waiter.done() and waiter.actor.life is not Life.ENDED]
        actor = (waiting or claim.waiters)[0].actor
        socket = sockets.make(id_, descriptor, actor, SocketAddress(*peer))
        sockets.leases.take_over(socket, claim, actor.address, fields)
        socket.told = bool(socket.error)
        if socket.reading is not Reading.OPEN:
            socket.close_reason = CloseReason.RESET if socket.error else CloseReason.EOF
        sockets.belongs_to(socket, actor)
        if not waiting:
            sockets.log_error(actor, f"socket: {id_} came when nobody waited for it any more: closed")
            sockets.close_socket(socket)
        for waiter in waiting:
            waiter.set_result(None)


def _accept_failed(
    actor: Actor, accept: Callable[[int, SocketAddress], Any], socket: StreamSocket, error: BaseException
) -> None:
    if isinstance(error, SocketBroken) and socket.told and error.errno == socket.error:
        return  # the peer's reset of this very socket has been logged in one line
    actor.failed(f"in accept of {socket.peer}", error, accept)
