"""The owners of a worker's sockets: which sockets are here, and which actor has each.

A socket is in one of these places: among the own connections or the listeners of this worker, where it has an actor;
parting, when it is closed or yielded and its descriptor waits for SOCKET_FORGET; or in another worker, from where it
can be taken over. An own connection that no actor has started is unclaimed: it is closed after the claim timeout.

`Actor.sockets` has the ids of those sockets here that are to be closed when the actor ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from skypy.core.causal.fence import Fence
from skypy.core.close_reason import CloseReason
from skypy.core.output_marks import OutputMarks
from skypy.core.settings import SocketSettings
from skypy.core.socket_address import SocketAddress
from skypy.core.tcp.leases import Leases
from skypy.system.kernel import Kernel
from skypy.worker.actors.actor import Actor
from skypy.worker.actors.scheduler import Scheduler
from skypy.worker.sockets.direct_input import DirectInput
from skypy.worker.sockets.lane import SocketLane
from skypy.worker.sockets.listener import ListenerSocket
from skypy.worker.sockets.notices import Notices
from skypy.worker.sockets.stream_socket import StreamSocket
from skypy.worker.sockets.unclaimed import Unclaimed
from skypy.worker.tasks.waiter import Resumption, Waiter

AnySocket = StreamSocket | ListenerSocket

RESERVED_DESCRIPTORS: Final = 256
"""Descriptors kept free for services and libraries; beyond them sockets are held without a duplicate."""


class Taker(Waiter[None]):
    """The wait of an actor that takes a socket over."""

    __slots__ = ("actor",)

    def __init__(self, loop: asyncio.AbstractEventLoop, actor: Actor) -> None:
        super().__init__(loop)
        self.actor = actor


class Ownership:
    """All sockets of a worker, by id, and their actors."""

    def __init__(
        self,
        lane: SocketLane,
        scheduler: Scheduler,
        settings: SocketSettings,
        kernel: Kernel,
        direct_input: DirectInput,
        notices: Notices,
        fence: Fence,
        marks: OutputMarks,
        *,
        alone: bool,
    ) -> None:
        """Begin with no sockets. `alone`: the node has no other workers."""
        self._lane = lane
        self._scheduler = scheduler
        self._settings = settings
        self._kernel = kernel
        self._direct_input = direct_input
        self._notices = notices
        self.leases: Leases[StreamSocket, Taker] = Leases(
            lane.send,
            lambda: scheduler.write_at_end(self.flush),
            scheduler.wake,
            settings.high_water,
            settings.low_water,
            settings.write_limit,
            notices.backlog,
            fence,
            marks,
            alone=alone,
        )
        self.own = self.leases.own
        """The connections that actors here have, or may start."""
        self.listeners: dict[int, ListenerSocket] = {}
        self.parting_listeners: dict[int, ListenerSocket] = {}
        """Closed listeners, whose descriptors wait for SOCKET_FORGET."""
        self.unclaimed = Unclaimed(scheduler.loop, settings.claim_timeout, self.close)
        self._limit = kernel.descriptor_limit() - RESERVED_DESCRIPTORS

    def flush(self) -> None:
        """Give the output of this turn away: one write for every socket that has some, then the messages for others."""
        leases = self.leases
        for socket in leases.take_dirty():
            socket.flush()
            half = socket.write_half
            if half.drainers or half.sent != half.out:
                leases.flushed(socket)
        leases.foreign.flush()
        leases.send_receipt()
        marks = leases.marks
        marks.corked = False
        if marks.count and not marks.in_lane:  # else the lane clears them
            if marks.held:
                marks.clear()
            else:
                marks.numbers[0] = marks.count = 0

    # -- which sockets are here --

    def get(self, id_: int) -> AnySocket | None:
        """Return the socket of this worker that has the id, or None."""
        return self.own.get(id_) or self.listeners.get(id_)

    def get_held(self, id_: int) -> StreamSocket | None:
        """Return the connection with the id, own or parting, or None."""
        return self.own.get(id_) or self.leases.parting.get(id_)

    def adopt(self) -> int | None:
        """Return the descriptor that came with a report, or None when this process has as many as it may."""
        descriptor = self._lane.take_descriptor()
        if descriptor is not None and len(self.own) >= self._limit:
            self._kernel.close(descriptor)
            return None
        return descriptor

    def add(self, id_: int, descriptor: int | None, owner: Actor, peer: SocketAddress) -> StreamSocket:
        """Make a connection of this worker, which reports to `owner` until an actor has started it."""
        self.own[id_] = socket = self.make(id_, descriptor, owner, peer)
        return socket

    def make(self, id_: int, descriptor: int | None, owner: Actor, peer: SocketAddress) -> StreamSocket:
        """Make a connection that is not among those of this worker yet."""
        window = self._settings.read_window
        return StreamSocket(id_, descriptor, window, self._lane.send, self._scheduler.loop, owner, peer, self._kernel)

    def add_listener(self, id_: int, descriptor: int | None, owner: Actor, local: SocketAddress) -> ListenerSocket:
        """Make a listener of this worker, idle until it is started."""
        window = self._settings.read_window
        self.listeners[id_] = listener = ListenerSocket(id_, descriptor, window, self._lane.send, owner, local)
        self.leases.foreign.gone(id_)  # it carries no bytes
        owner.sockets.add(id_)
        return listener

    def forget(self, id_: int) -> AnySocket | None:
        """SOCKET_FORGET: close the descriptor. Return the socket, or None when there is none."""
        socket: AnySocket | None = self.leases.forget(id_) or self.parting_listeners.pop(id_, None)
        if isinstance(socket, StreamSocket):
            self._direct_input.ignore(socket)  # before its descriptor is closed
            descriptor = socket.lease.forgotten()
        else:
            descriptor = socket.forgotten() if socket is not None else None
        if descriptor is not None:
            self._kernel.close(descriptor)
        return socket

    # -- the actor of a socket --

    def start(self, socket: StreamSocket, actor: Actor) -> None:
        """Make `actor` the owner, and begin (or go on) reading."""
        if socket.owner is actor:
            return
        self.set_owner(socket, actor)
        socket.lease.start(actor.address)

    def start_listener(
        self, listener: ListenerSocket, actor: Actor, accept: Callable[[int, SocketAddress], Any]
    ) -> None:
        """Make `actor` the owner, and begin (or go on) accepting."""
        listener.owner.sockets.discard(listener.id)
        actor.sockets.add(listener.id)
        listener.start(accept, actor)

    def set_owner(self, socket: StreamSocket, actor: Actor) -> None:
        """Make `actor` the owner, in place of another one if there is one."""
        if socket.reports_to is not actor:
            self._dispossess(socket)
        self.unclaimed.discard(socket)
        socket.owner = socket.reports_to = actor
        actor.sockets.add(socket.id)

    def abandon(self, socket: StreamSocket) -> None:
        """Take the socket from its actor; another may start it, within the claim timeout."""
        self._dispossess(socket)
        socket.owner = None
        self.unclaimed.add(socket)

    def _dispossess(self, socket: StreamSocket) -> None:
        """End an actor's ownership of a socket that stays here: its reader is refused, its callbacks are gone."""
        if socket.reader is not None:
            self._scheduler.wake(Resumption(socket.reader))
            socket.reader = None
        socket.clear_callbacks()
        socket.reports_to.sockets.discard(socket.id)

    def release(self, socket: StreamSocket) -> None:
        """End an actor's ownership of a socket that is closed or yielded; if a task still reads, that ends."""
        socket.reports_to.sockets.discard(socket.id)
        self.unclaimed.discard(socket)
        self.wake_reader(socket)

    def wake_reader(self, socket: StreamSocket) -> None:
        """Resume the reader, but not inside of the code that is running."""
        if socket.reader is not None:
            self._scheduler.wake(Resumption(socket.reader))

    # -- the end --

    def shutdown_read(self, socket: StreamSocket) -> None:
        """Stop reading."""
        socket.lease.shutdown_read()
        self.wake_reader(socket)

    def close(self, socket: AnySocket, reason: CloseReason = CloseReason.CLOSED) -> None:
        """Close safely; a listener stops at once."""
        if isinstance(socket, ListenerSocket):
            self._close_listener(socket)
        else:
            self.leases.close(socket, reason)
            self._end(socket, reason)

    def abort(self, socket: AnySocket, *, by_reset: bool = False) -> None:
        """Drop everything now. `by_reset`: let the peer know by a reset. A listener stops at once."""
        if isinstance(socket, ListenerSocket):
            self._close_listener(socket)
        else:
            self.leases.abort(socket, by_reset=by_reset)
            self._end(socket, CloseReason.ABORTED if by_reset else CloseReason.SHUTDOWN)

    def _end(self, socket: StreamSocket, reason: CloseReason) -> None:
        if socket.close_reason is None:  # else the actor only acts on the notice that it had
            self._notices.ended(socket, reason)
        self.release(socket)

    def _close_listener(self, listener: ListenerSocket) -> None:
        listener.close()
        self.part_with(listener)
        self.leases.foreign.ended(listener.id)

    def part_with(self, listener: ListenerSocket) -> None:
        """Take a listener from its actor; its descriptor waits for SOCKET_FORGET."""
        listener.owner.sockets.discard(listener.id)
        self.parting_listeners[listener.id] = self.listeners.pop(listener.id)

    def close_listeners_of(self, actor: Actor) -> None:
        """Close the listeners of an actor that begins to end."""
        for id_ in sorted(actor.sockets):
            listener = self.listeners.get(id_)
            if listener is not None:
                self._close_listener(listener)

    def close_all_of(self, actor: Actor) -> None:
        """Close the sockets of an actor that has ended: the connections, and listeners that its stop functions made."""
        for id_ in sorted(actor.sockets):
            socket = self.get(id_)
            if socket is not None:
                self.close(socket)
