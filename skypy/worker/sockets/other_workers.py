"""Sockets that come from other workers and go to them, and ends of sockets by actors that do not own them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, TypeAlias

from skypy.core.close_reason import CloseReason
from skypy.core.errors import InternalError
from skypy.core.socket_address import SocketAddress
from skypy.core.tcp.read_half import OPEN
from skypy.worker.actors.actor import Actor, Life
from skypy.worker.sockets.listener import ListenerSocket
from skypy.worker.sockets.notices import log_error
from skypy.worker.sockets.ownership import AnySocket, Ownership, Taker
from skypy.worker.sockets.stream_socket import StreamSocket

Origin: TypeAlias = tuple[Sequence[Any], Sequence[Any] | None, bool]
"""The address of the peer, that of this side if it is known, and True if an actor has opened the connection."""


class OtherWorkers:
    """Hands sockets over, from this worker and to it."""

    def __init__(self, ownership: Ownership, loop: asyncio.AbstractEventLoop) -> None:
        self._ownership = ownership
        self._leases = ownership.leases
        self._loop = loop

    # -- taking over --

    async def take_over(self, id_: int, actor: Actor) -> None:
        """Wait until this worker has a socket that it does not have now. Raises SocketClosed."""
        taker = Taker(self._loop, actor)
        self._leases.take_over(id_, taker)
        await taker

    def handed_over(self, id_: int, fields: Sequence[Any], origin: Origin) -> None:
        """SOCKET_HANDED_OVER: give the connection to an actor that waits for it."""
        descriptor = self._ownership.adopt()
        waiting, actor = self._wanted_by(id_)
        socket = self._make(id_, descriptor, actor, origin)
        self._leases.handed_over(socket, actor.address, fields)
        if socket.lease.error:
            socket.close_reason = CloseReason.RESET
        elif socket.read_half.state is not OPEN:
            socket.close_reason = CloseReason.EOF
        self._ownership.set_owner(socket, actor)
        for how, *_ in fields[-1]:  # before any task here can write
            self._end_own(id_, how)
        self._welcome(socket, actor, waiting)

    def took_remains(self, id_: int, fields: Sequence[Any], reason: CloseReason, origin: Origin) -> None:
        """SOCKET_REMAINS: give a connection that has ended already to an actor that waits for it."""
        waiting, actor = self._wanted_by(id_)
        socket = self._make(id_, None, actor, origin)
        socket.close_reason = reason
        self._leases.took_remains(socket, actor.address, fields)
        self._ownership.set_owner(socket, actor)
        self._welcome(socket, actor, waiting)

    def _make(self, id_: int, descriptor: int | None, actor: Actor, origin: Origin) -> StreamSocket:
        peer, local, has_connected = origin
        socket = self._ownership.make(id_, descriptor, actor, SocketAddress(*peer))
        socket.local = None if local is None else SocketAddress(*local)
        socket.has_connected = has_connected
        return socket

    def listener_handed_over(self, id_: int, accepted: int, local: SocketAddress) -> None:
        """SOCKET_LISTENER_HANDED_OVER: give the listener to an actor that waits for it, and starts it then."""
        descriptor = self._ownership.adopt()
        waiting, actor = self._wanted_by(id_)
        self._leases.foreign.returning.pop(id_, None)  # nothing has to wait for an END of a listener
        listener = self._ownership.add_listener(id_, descriptor, actor, local)
        listener.take_over(accepted)
        self._welcome(listener, actor, waiting)

    def _wanted_by(self, id_: int) -> tuple[list[Taker], Actor]:
        """Return the takers that still wait for a socket that has come, and the first one's actor."""
        take_over = self._leases.foreign.handed_over(id_)
        if take_over is None:
            raise InternalError(f"socket {id_} came without having been asked for")
        waiting = [taker for taker in take_over.takers if not taker.done() and taker.actor.life is not Life.ENDED]
        return waiting, (waiting or take_over.takers)[0].actor

    def _welcome(self, socket: AnySocket, actor: Actor, waiting: Sequence[Taker]) -> None:
        """Wake the takers of a socket. The first has it, the others take it from there, each in its turn."""
        if not waiting and self._ownership.get(socket.id) is socket:
            log_error(actor, f"socket: {socket.id} came when no actor waited for it any more: closed")
            self._ownership.close(socket)
        for taker in waiting:
            taker.set_result(None)

    # -- giving away --

    def recall(self, id_: int) -> bool:
        """SOCKET_RECALL: yield the socket to another worker. Return False when RECALL crossed an end."""
        listener = self._ownership.listeners.get(id_)
        if listener is not None:
            listener.recalled()
            self._ownership.part_with(listener)
            return True
        socket = self._leases.recall(id_)
        if socket is None:
            return False
        socket.clear_callbacks()
        self._ownership.release(socket)
        return True

    # -- ends by any actor --

    def end(self, id_: int, how: str) -> None:
        """End a socket, or a half of it, for an actor that need not own it; `how` as in END.

        A socket of another worker is ended there, behind the messages that were sent to it. Raises TypeError for a half
        of a listener of this worker.
        """
        socket = self._ownership.get(id_)
        if socket is None:
            self._leases.foreign.end(id_, how)
        elif how == "close":
            self._ownership.close(socket)
        elif how in ("rw", "abort"):
            self._ownership.abort(socket, by_reset=how == "abort")
        elif isinstance(socket, ListenerSocket):
            raise TypeError(f"socket {id_} listens: it has no half to shut down")
        elif how == "w":
            self._leases.shutdown_write(socket)
        else:
            self._ownership.shutdown_read(socket)

    def ended_by(self, id_: int, how: str, process_number: int, passed: int, total: int) -> bool:
        """SOCKET_END_BY: end a socket for an actor of another worker, or of this one, whose END has come back.

        Return False when there is nothing to end.
        """
        done = self._end_own(id_, how)
        self._leases.ended_by(id_, process_number, passed, total)
        return done

    def _end_own(self, id_: int, how: str) -> bool:
        socket = self._ownership.get(id_)
        if socket is None or (isinstance(socket, ListenerSocket) and how in ("w", "r")):
            return False
        self.end(id_, how)
        return True
