"""Every socket that actors of this worker have, and what actors ask of them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from skypy.core.close_reason import CloseReason
from skypy.core.socket_address import SocketAddress
from skypy.core.socket_info import SocketInfo
from skypy.core.tcp.leases import Leases
from skypy.core.wire.socket_lane import ABORT, CANCEL, CLOSE, CONNECT, LISTEN, NETSTAT, SERVICE_GONE
from skypy.lane.lane import Lane
from skypy.system.kernel import Kernel
from skypy.worker.actors.actor import Life
from skypy.worker.actors.scheduler import Scheduler
from skypy.worker.sockets.direct_input import DirectInput
from skypy.worker.sockets.lane import SocketLane
from skypy.worker.sockets.reports import SocketReports
from skypy.worker.sockets.stream_socket import Claimant, ListenerSocket, StreamSocket
from skypy.worker.tasks.first_step import run_function
from skypy.worker.tasks.waiter import Resumption, Waiter

if TYPE_CHECKING:
    from skypy.core.settings import SocketSettings
    from skypy.worker.actors.actor import Actor

RESERVED_DESCRIPTORS: Final = 256
"""Kept free for what services and libraries open; beyond it sockets are held without a duplicate."""

AnySocket = StreamSocket | ListenerSocket

_log: Final = logging.getLogger("skypy")


class Sockets:
    """All sockets of a worker, by id."""

    def __init__(
        self,
        lane: Lane,
        scheduler: Scheduler,
        settings: SocketSettings,
        service_gone: Callable[[], None],
        kernel: Kernel,
        *,
        alone: bool,
    ) -> None:
        """`alone`: the node has no other workers."""
        self.kernel = kernel
        self._service_gone = service_gone
        self.settings = settings
        self.dropped: Counter[str] = Counter()
        """How often a report crossed a close and was dropped, by its kind."""
        self._scheduler = scheduler
        self._loop = scheduler.loop
        reports = SocketReports(self)
        self.lane = SocketLane(lane, scheduler, reports.by_kind, self._lane_ended)
        self._send = self.lane.send
        self.leases: Leases[StreamSocket, Claimant] = Leases(
            self._send,
            scheduler.request_turn,
            scheduler.wake,
            settings.high_water,
            settings.low_water,
            settings.write_limit,
            self._backlog,
            alone=alone,
        )
        self.own = self.leases.own
        self.listeners: dict[int, ListenerSocket] = {}
        self.closed_listeners: dict[int, ListenerSocket] = {}
        """Their descriptors wait for SOCKET_FORGET."""
        self._limit = kernel.descriptor_limit() - RESERVED_DESCRIPTORS
        self.write = self.leases.write
        """Cork a message until the end of the turn; False when nothing can be written."""
        self.flushed = self.lane.flushed
        self.direct_input = DirectInput(kernel, scheduler)
        scheduler.end_of_turn_hooks.append(self.flush)

    def flush(self) -> None:
        """The end of a turn: one write for every socket with corked bytes, one send for the lane."""
        self.leases.flush()
        self.lane.flush()

    def _lane_ended(self) -> None:
        """The service is gone: every connection with it."""
        for socket in list(self.own.values()):
            if (descriptor := socket.forgotten()) is not None:
                self.kernel.close(descriptor)
            socket.input_ended(SERVICE_GONE)
            socket.told = True
            self.ended(socket, CloseReason.SERVICE_GONE)
            self._wake_reader(socket)
            self.leases.wake_drainers(socket)
        self._scheduler.end_turn()
        self._service_gone()

    # -- making sockets --

    def get(self, id_: int) -> AnySocket | None:
        """The socket with an id that an actor of this worker has, or None."""
        return self.own.get(id_) or self.listeners.get(id_)

    async def listen(
        self,
        actor: Actor,
        addresses: Sequence[tuple[int, str, int]],
        backlog: int,
        *,
        half_close: bool,
        avoid_time_wait: bool,
    ) -> int:
        """A listening socket's id. Raises OSError."""
        id_: int
        id_, descriptor, local, _ = await self._make(LISTEN, list(addresses), backlog, avoid_time_wait, half_close)
        self.listeners[id_] = ListenerSocket(
            id_, descriptor, self.settings.read_window, self._send, actor, SocketAddress(*local)
        )
        self.leases.foreign.gone(id_)  # it carries no bytes
        actor.sockets.add(id_)
        return id_

    async def open(self, actor: Actor, addresses: Sequence[tuple[int, str, int]]) -> int:
        """A connected socket's id, started. Raises OSError."""
        id_: int
        id_, descriptor, local, peer = await self._make(CONNECT, list(addresses))
        socket = self.add(id_, descriptor, actor, SocketAddress(*peer))
        socket.local = SocketAddress(*local)
        self.start(socket, actor)
        return id_

    async def _make(self, kind: int, *fields: Any) -> Any:
        return await self.lane.ask(
            kind, *fields, cancelled=lambda request: self._send((CANCEL, request)), unwanted=self.refuse
        )

    def refuse(self, id_: int, descriptor: int | None, local: object, peer: object) -> None:
        """Whoever asked for this socket was cancelled."""
        del local
        if descriptor is not None:
            self.kernel.close(descriptor)
        if peer is None:
            self._send((CLOSE, id_))
        else:
            self._send((ABORT, id_, False, CloseReason.NOT_CONNECTED))

    def adopt(self) -> int | None:
        """The descriptor that came with a report; None when this process has as many as it may."""
        descriptor = self.lane.take_descriptor()
        if descriptor is not None and len(self.own) >= self._limit:
            self.kernel.close(descriptor)
            return None
        return descriptor

    def make(self, id_: int, descriptor: int | None, owner: Actor, peer: SocketAddress) -> StreamSocket:
        """A connection that `owner` has or will start."""
        window = self.settings.read_window
        return StreamSocket(id_, descriptor, window, self._send, self._loop, owner, peer, self.kernel)

    def add(self, id_: int, descriptor: int | None, owner: Actor, peer: SocketAddress) -> StreamSocket:
        """The same, known from now on."""
        self.own[id_] = socket = self.make(id_, descriptor, owner, peer)
        return socket

    # -- who has one --

    def start(self, socket: StreamSocket, actor: Actor) -> None:
        """`actor` owns the socket from now on, and reading begins (or goes on)."""
        if socket.started and socket.owner is actor:
            return
        self.belongs_to(socket, actor)
        socket.start(actor.address)

    def belongs_to(self, socket: StreamSocket, actor: Actor) -> None:
        """`actor` owns the socket from now on."""
        if socket.owner is not actor:
            self._forget_owner(socket)
        if socket.unclaimed is not None:
            socket.unclaimed.cancel()
            socket.unclaimed = None
        socket.owner = actor
        socket.started = True
        actor.sockets.discard(socket.id)
        actor.streams[socket.id] = socket

    def abandon(self, socket: StreamSocket) -> None:
        """Its actor has no part in it any more; another may start it, within the claim timeout."""
        self._forget_owner(socket)
        socket.started = False
        self.await_claim(socket)

    def _forget_owner(self, socket: StreamSocket) -> None:
        if socket.reader is not None:
            self._scheduler.wake(Resumption(socket.reader))  # it finds that the socket is not its actor's any more
            socket.reader = None
        socket.forget_callbacks()
        socket.owner.sockets.discard(socket.id)
        socket.owner.streams.pop(socket.id, None)

    def await_claim(self, socket: StreamSocket) -> None:
        """Somebody must start it before long."""
        socket.unclaimed = self._loop.call_later(self.settings.claim_timeout, self._claim_timed_out, socket)

    def _claim_timed_out(self, socket: StreamSocket) -> None:
        socket.unclaimed = None
        self.log_error(
            socket.owner,
            f"socket: {socket.id} from {socket.peer} was started by nobody within "
            f"claim_timeout ({self.settings.claim_timeout:g} s): closed",
        )
        self.close_socket(socket, CloseReason.CLAIM_TIMEOUT)

    async def claim(self, id_: int, actor: Actor) -> None:
        """Wait until this worker owns the socket. Raises SocketClosed."""
        claimant = Claimant(self._loop, actor)
        self.leases.claim(id_, claimant)
        await claimant

    # -- output --

    async def drain_foreign(self, id_: int) -> None:
        """Wait until the owner of a foreign socket has got rid of what was sent before. Raises SocketClosed."""
        waiter: Waiter[None] = Waiter(self._loop)
        request = self.leases.foreign.drain(id_, waiter)
        try:
            await waiter
        finally:
            self.leases.foreign.end_drain(request)

    async def wait_until_drained(self, socket: StreamSocket) -> None:
        """Wait until little enough of a socket's output is unsent, or no more of it can be sent."""
        while not socket.drained(self.settings.high_water):
            waiter: Waiter[None] = Waiter(self._loop)
            socket.drainers += (waiter,)
            try:
                await waiter
            finally:  # woken, it has been taken out already
                if socket.drainers:
                    socket.drainers = tuple(other for other in socket.drainers if other is not waiter)

    def _backlog(self, socket: StreamSocket, unsent: int) -> None:
        """Much is unsent (or, 0, nothing any more): the owner is told, or the log."""
        if socket.on_warning is not None:
            self._call_back(socket, "onwarning", socket.on_warning, unsent)
        elif unsent:
            text = f"socket: {unsent} bytes wait to be sent on {socket.id}"
            _log.warning("%s", text, extra={"address": socket.owner.address})

    # -- the end --

    def close_socket(self, socket: AnySocket, reason: CloseReason = CloseReason.CLOSED) -> None:
        """The safe close; a listener stops at once."""
        if isinstance(socket, ListenerSocket):
            self._close_listener(socket)
        else:
            self.leases.close(socket, reason)
            self._let_go(socket, reason)

    def shutdown(self, socket: AnySocket) -> None:
        """Drop everything now."""
        if isinstance(socket, ListenerSocket):
            self._close_listener(socket)
        else:
            self.leases.shutdown(socket)
            self._let_go(socket, CloseReason.SHUTDOWN)

    def abort(self, socket: AnySocket) -> None:
        """Drop everything now, by a reset."""
        if isinstance(socket, ListenerSocket):
            self._close_listener(socket)
        else:
            self.leases.abort(socket)
            self._let_go(socket, CloseReason.ABORTED)

    def shutdown_read(self, socket: StreamSocket) -> None:
        """Stop reading."""
        socket.shutdown_read()
        self._wake_reader(socket)

    def _close_listener(self, listener: ListenerSocket) -> None:
        listener.close()
        listener.owner.sockets.discard(listener.id)
        self.closed_listeners[listener.id] = self.listeners.pop(listener.id)

    def _let_go(self, socket: StreamSocket, reason: CloseReason) -> None:
        if socket.close_reason is None:  # else the actor only does what follows from what it was told
            self.ended(socket, reason)
        self.disown(socket)

    def disown(self, socket: StreamSocket) -> None:
        """The actor has no part in it any more; if it still reads, that ends."""
        socket.owner.sockets.discard(socket.id)
        socket.owner.streams.pop(socket.id, None)
        if socket.unclaimed is not None:
            socket.unclaimed.cancel()
        self._wake_reader(socket)

    def ended(self, socket: StreamSocket, reason: CloseReason) -> None:
        """The peer has finished, or the connection has ended: who asked to be told is told, once of each."""
        known = socket.close_reason
        if known is not reason and (known is None or known is CloseReason.EOF):
            socket.close_reason = reason
            if socket.on_close is not None:
                self._call_back(socket, "onclose", socket.on_close, reason)

    def tell_of_end(self, socket: StreamSocket, function: Callable[[int, str], Any]) -> None:
        """Call the function when it ends; soon, if it has ended already."""
        socket.on_close = function
        if socket.close_reason is not None:
            self._call_back(socket, "onclose", function, socket.close_reason)

    def _call_back(self, socket: StreamSocket, what: str, function: Callable[[int, Any], Any], news: object) -> None:
        if isinstance(news, CloseReason):  # a service gets the text, not our Enum
            news = str(news)
        if socket.owner.life is not Life.ENDED:
            coroutine = run_function(partial(function, socket.id, news))
            self._scheduler.fork(socket.owner, coroutine, f"{what} of {socket.peer}")

    def _wake_reader(self, socket: StreamSocket) -> None:
        """Resume the reader, but not inside of the code that is running."""
        if socket.reader is not None:
            self._scheduler.wake(Resumption(socket.reader))

    # -- seeing --

    async def netstat(self) -> tuple[list[SocketInfo], dict[str, int]]:
        """Every socket of the node, and how often the service, and this worker, have met what is rare."""
        rows, counters = await self.lane.ask(NETSTAT, cancelled=lambda _: None, unwanted=lambda *_: None)
        counters["dropped reports"] = self.dropped.total()
        return [SocketInfo.from_plain(row) for row in rows], counters

    def log_error(self, actor: Actor, text: str) -> None:
        """Log something about a socket of an actor."""
        _log.error("%s", text, extra={"address": actor.address})

    def run(self, actor: Actor, name: str, function: Callable[..., Any], *args: Any) -> None:
        """Call a function for an actor."""
        self._scheduler.run(actor, name, function, *args)
