"""The worker's end of the lane: reports in, requests out, and every socket that actors of this worker have."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import resource
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from skypy.core import messages
from skypy.core.codec import MalformedFrame
from skypy.core.duplicate import Holding
from skypy.core.errors import InternalError, SocketBroken, SocketClosed
from skypy.core.holdings import Holdings
from skypy.core.messages import ABORT, CANCEL, CLOSE, CONNECT, LISTEN
from skypy.kernel import Kernel
from skypy.lane import Lane, LaneEnded
from skypy.worker.actor import Life
from skypy.worker.scheduler import Scheduler
from skypy.worker.socket import ListenerSocket, SocketAddress, StreamSocket
from skypy.worker.waiter import Waiter

if TYPE_CHECKING:
    from skypy.core.settings import SocketSettings
    from skypy.worker.actor import Actor

RESERVED_DESCRIPTORS: Final = 256
"""Kept free for what services and libraries open; beyond it sockets are held without a duplicate."""

AnySocket = StreamSocket | ListenerSocket


class Claimant(Waiter[None]):
    """The wait of an actor that wants to own a socket."""

    __slots__ = ("actor",)

    def __init__(self, loop: asyncio.AbstractEventLoop, actor: Actor) -> None:
        super().__init__(loop)
        self.actor = actor


class Sockets:
    """All sockets of a worker, by id. Turns messages of the lane into what readers and writers wait for."""

    def __init__(
        self,
        lane: Lane,
        scheduler: Scheduler,
        settings: SocketSettings,
        log_error: Callable[[Actor, str], None],
        service_gone: Callable[[], None],
        kernel: Kernel,
        *,
        alone: bool,
    ) -> None:
        """`alone`: the node has no other workers."""
        self._kernel = kernel
        self._service_gone = service_gone
        self.settings = settings
        self.dropped: Counter[str] = Counter()
        """How often a report crossed a close and was dropped, by its kind."""
        self._lane = lane
        self._scheduler = scheduler
        self._loop = scheduler.loop
        self._log_error = log_error
        self._holdings: Holdings[StreamSocket, Claimant] = Holdings(
            self._emit, scheduler.request_turn, scheduler.wake, settings.high_water, alone=alone
        )
        self._own = self._holdings.own
        self._foreign = self._holdings.foreign
        self._listeners: dict[int, ListenerSocket] = {}
        self._closed_listeners: dict[int, ListenerSocket] = {}  # their descriptors wait for FORGET
        self._requests: dict[int, Waiter[Any]] = {}
        self._last_request = 0
        self._writing = False
        self._flushed: asyncio.Future[None] | None = None
        self._limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - RESERVED_DESCRIPTORS
        self.write = self._holdings.write
        """Cork a message until the end of the turn; False when nothing can be written."""
        self._reports: dict[int, Callable[[Sequence[Any]], None]] = {
            messages.SOCKET_OPEN: self._opened,
            messages.FAILED: self._failed,
            messages.SOCKET_ACCEPT: self._accepted,
            messages.SOCKET_DATA: self._data,
            messages.SOCKET_MORE: self._more,
            messages.SOCKET_CLOSE: self._closed,
            messages.SOCKET_ERROR: self._error,
            messages.SENT: self._sent,
            messages.FORGET: self._forget,
            messages.SENT_BY: self._sent_by,
            messages.DRAIN_BY: lambda message: self._holdings.drain_by(*message[1:]),
            messages.DRAIN_DONE: lambda message: self._foreign.end_drain(message[2]),
            messages.GONE: lambda message: self._foreign.gone(message[1]),
            messages.RECALL: self._recall,
            messages.OWN: self._take_over,
            messages.REFUSED: lambda message: self._foreign.refused(message[1]),
        }
        scheduler.end_of_turn_hooks.append(self.flush)
        self._loop.add_reader(lane.fileno(), self._lane_readable)

    # -- the lane --

    def _emit(self, message: messages.Message) -> None:
        self._lane.send(message)
        self._scheduler.request_turn()

    def _lane_readable(self) -> None:
        scheduler = self._scheduler
        try:
            received = self._lane.receive()
        except (LaneEnded, MalformedFrame):
            self._lane_ended()
            return
        if not received:
            return
        reports = self._reports
        scheduler.begin_turn()
        left = iter(received)
        while True:
            try:
                for message in left:
                    reports[message[0]](message)
                    if scheduler.unsettled:
                        scheduler.settle()
                break
            except (SystemExit, KeyboardInterrupt):
                continue  # raised by a task's step; the task has it, and whoever looks after the task logs it
        scheduler.end_turn()

    def flush(self) -> None:
        """The end of a turn: one write for every socket with corked bytes, one send for the lane."""
        self._holdings.flush()
        if not self._lane.idle and self._lane.flush() == self._writing:
            self._writing = not self._writing
            if self._writing:
                self._loop.add_writer(self._lane.fileno(), self._scheduler.end_turn)
            else:
                self._loop.remove_writer(self._lane.fileno())
        if self._flushed is not None and self._lane.idle and not self._flushed.done():
            self._flushed.set_result(None)

    async def flushed(self) -> None:
        """Wait until everything that was said has left this process."""
        self._flushed = self._loop.create_future()
        self._scheduler.request_turn()
        await self._flushed

    def _lane_ended(self) -> None:
        """The service is gone: every connection with it."""
        self._loop.remove_reader(self._lane.fileno())
        self._loop.remove_writer(self._lane.fileno())
        self._lane.close()
        for socket in list(self._own.values()):
            if (descriptor := socket.forgotten()) is not None:
                self._kernel.close(descriptor)
            socket.input_ended(messages.SERVICE_GONE)
            socket.told = True
            self._wake_reader(socket)
            self._holdings.wake_drainers(socket)
        for waiter in self._requests.values():
            waiter.set_exception(SocketBroken(messages.SERVICE_GONE, "the socket service is gone"))
        self._scheduler.end_turn()
        self._service_gone()

    # -- requests of actors --

    def get(self, id_: int) -> AnySocket | None:
        """The socket with an id that an actor of this worker has, or None."""
        return self._own.get(id_) or self._listeners.get(id_)

    async def listen(self, actor: Actor, addresses: Sequence[tuple[int, str, int]], backlog: int) -> int:
        """A listening socket's id. Raises OSError."""
        id_: int
        id_, descriptor, local, _ = await self._request(LISTEN, list(addresses), backlog)
        self._listeners[id_] = ListenerSocket(id_, descriptor, self._emit, actor, SocketAddress(*local))
        self._foreign.gone(id_)  # it carries no bytes
        actor.sockets.add(id_)
        return id_

    async def open(self, actor: Actor, addresses: Sequence[tuple[int, str, int]]) -> int:
        """A connected socket's id, started. Raises OSError."""
        id_: int
        id_, descriptor, local, peer = await self._request(CONNECT, list(addresses))
        socket = self._add(id_, descriptor, actor, SocketAddress(*peer))
        socket.local = SocketAddress(*local)
        self.start(socket, actor)
        return id_

    async def _request(self, kind: int, *fields: Any) -> Any:
        self._last_request += 1
        request = self._last_request
        self._requests[request] = waiter = Waiter[Any](self._loop)
        self._emit((kind, request, *fields))
        try:
            return await waiter
        except asyncio.CancelledError:
            if self._requests.pop(request, None) is not None:
                self._emit((CANCEL, request))
            else:  # the answer and the cancellation have crossed
                with contextlib.suppress(OSError, asyncio.CancelledError, asyncio.InvalidStateError):
                    self._refuse(*waiter.result())
            raise

    def start(self, socket: StreamSocket, actor: Actor) -> None:
        """`actor` owns the socket from now on, and reading begins (or goes on)."""
        if socket.started and socket.owner is actor:
            return
        self._belongs_to(socket, actor)
        socket.start(actor.address)

    def _belongs_to(self, socket: StreamSocket, actor: Actor) -> None:
        if socket.unclaimed is not None:
            socket.unclaimed.cancel()
            socket.unclaimed = None
        if socket.owner is not actor and socket.reader is not None:
            self._scheduler.wake(socket.reader)  # it finds that the socket is not its actor's any more
            socket.reader = None
        socket.owner.sockets.discard(socket.id)
        socket.owner.streams.pop(socket.id, None)
        socket.owner = actor
        socket.started = True
        actor.sockets.add(socket.id)
        actor.streams[socket.id] = socket

    async def claim(self, id_: int, actor: Actor) -> None:
        """Wait until this worker owns the socket. Raises SocketClosed."""
        claimant = Claimant(self._loop, actor)
        self._holdings.claim(id_, claimant)
        await claimant

    async def drain_foreign(self, id_: int) -> None:
        """Wait until the owner of a foreign socket has got rid of what was sent before. Raises SocketClosed."""
        waiter: Waiter[None] = Waiter(self._loop)
        request = self._foreign.drain(id_, waiter)
        try:
            await waiter
        finally:
            self._foreign.end_drain(request)

    async def wait_until_drained(self, socket: StreamSocket) -> None:
        """Wait until little enough of a socket's output is unsent, or no more of it can be sent."""
        while not socket.drained(self.settings.high_water):
            waiter: Waiter[None] = Waiter(self._loop)
            socket.drainers.append(waiter)
            try:
                await waiter
            finally:
                with contextlib.suppress(ValueError):  # woken, it has been taken out
                    socket.drainers.remove(waiter)

    def close_socket(self, socket: AnySocket) -> None:
        """The safe close; a listener stops at once."""
        if isinstance(socket, ListenerSocket):
            self._close_listener(socket)
        else:
            self._holdings.close(socket)
            self._let_go(socket)

    def shutdown_write(self, socket: StreamSocket) -> None:
        """What is queued, then FIN."""
        self._holdings.shutdown_write(socket)

    def shutdown_read(self, socket: StreamSocket) -> None:
        """Stop reading."""
        socket.shutdown_read()
        self._wake_reader(socket)

    def abort(self, socket: AnySocket) -> None:
        """Drop everything now."""
        if isinstance(socket, ListenerSocket):
            self._close_listener(socket)
        else:
            self._holdings.abort(socket)
            self._let_go(socket)

    def _close_listener(self, listener: ListenerSocket) -> None:
        listener.close()
        listener.owner.sockets.discard(listener.id)
        self._closed_listeners[listener.id] = self._listeners.pop(listener.id)

    def _let_go(self, socket: StreamSocket) -> None:
        """The actor has no part in it any more; if it still reads, that ends."""
        socket.owner.sockets.discard(socket.id)
        socket.owner.streams.pop(socket.id, None)
        if socket.unclaimed is not None:
            socket.unclaimed.cancel()
        self._wake_reader(socket)

    def _wake_reader(self, socket: StreamSocket) -> None:
        """Resume the reader, but not inside of the code that is running."""
        if socket.reader is not None:
            self._scheduler.wake(socket.reader)

    # -- reports of the service --

    def _opened(self, message: Sequence[Any]) -> None:
        _, request, id_, local, peer = message
        descriptor = self._adopt()
        waiter = self._requests.pop(request, None)
        if waiter is not None and not waiter.done():
            waiter.set_result((id_, descriptor, local, peer))
            return
        self._refuse(id_, descriptor, local, peer)

    def _refuse(self, id_: int, descriptor: int | None, local: object, peer: object) -> None:
        """Whoever asked for this socket was cancelled."""
        del local
        if descriptor is not None:
            self._kernel.close(descriptor)
        self._emit((ABORT if peer is not None else CLOSE, id_))

    def _failed(self, message: Sequence[Any]) -> None:
        waiter = self._requests.pop(message[1], None)
        if waiter is not None and not waiter.done():
            waiter.set_exception(OSError(message[2], os.strerror(message[2])))

    def _accepted(self, message: Sequence[Any]) -> None:
        _, listener_id, id_, peer = message
        descriptor = self._adopt()
        listener = self._listeners.get(listener_id)
        if listener is None or listener.accept is None:
            if descriptor is not None:
                self._kernel.close(descriptor)
            self._emit((CLOSE, id_))
            return
        listener.accepted += 1
        listener.want()
        actor = listener.owner
        socket = self._add(id_, descriptor, actor, SocketAddress(*peer))
        actor.sockets.add(id_)
        self._scheduler.run(actor, f"accept of {socket.peer}", self._accept, listener.accept, socket)
        if not socket.started and socket.state is Holding.OWN:
            socket.unclaimed = self._loop.call_later(self.settings.claim_timeout, self._claim_timed_out, socket)

    async def _accept(self, accept: Callable[[int, SocketAddress], Any], socket: StreamSocket) -> None:
        actor = socket.owner  # it may give the client to others, and fail afterwards
        try:
            result = accept(socket.id, socket.peer)
            if inspect.iscoroutine(result):
                await result
        except asyncio.CancelledError:
            if actor.ended is None and self._is_of(socket, actor):
                self.close_socket(socket)  # nobody else would
            raise
        except BaseException as error:
            self._accept_failed(actor, accept, socket, error)
            if self._is_of(socket, actor):
                self.abort(socket)

    def _is_of(self, socket: StreamSocket, actor: Actor) -> bool:
        return self._own.get(socket.id) is socket and socket.owner is actor

    @staticmethod
    def _accept_failed(
        actor: Actor, accept: Callable[[int, SocketAddress], Any], socket: StreamSocket, error: BaseException
    ) -> None:
        if isinstance(error, SocketBroken) and socket.told and error.errno == socket.error:
            return  # the peer's reset of this very socket has been logged in one line
        actor.failed(f"in accept of {socket.peer}", error, accept)

    def _claim_timed_out(self, socket: StreamSocket) -> None:
        socket.unclaimed = None
        self._log_error(
            socket.owner,
            f"socket: {socket.id} from {socket.peer} was started by nobody within "
            f"claim_timeout ({self.settings.claim_timeout:g} s): closed",
        )
        self.close_socket(socket)

    def _data(self, message: Sequence[Any]) -> None:
        socket = self._own.get(message[1])
        if socket is None:
            self.dropped["DATA"] += 1
            return
        socket.data_received(message[2])
        if socket.reader is not None and socket.buffer.size >= socket.wakes_at:
            socket.wake_reader()

    def _more(self, message: Sequence[Any]) -> None:
        """DATA of the same socket follows at once: it wakes the reader, once for all of it."""
        socket = self._own.get(message[1])
        if socket is not None:
            socket.data_received(message[2])
        else:
            self.dropped["MORE"] += 1

    def _closed(self, message: Sequence[Any]) -> None:
        socket = self._held(message[1])
        if socket is None:
            self.dropped["CLOSE"] += 1
            return
        socket.input_ended(message[2])
        if socket.error:
            self._tell(socket, socket.error)
            self._holdings.wake_drainers(socket)
        socket.wake_reader()

    def _error(self, message: Sequence[Any]) -> None:
        socket = self._held(message[1])
        if socket is not None:
            socket.write_broke(message[2])
            self._tell(socket, message[2])
            self._holdings.wake_drainers(socket)
        elif message[1] in self._listeners:
            owner = self._listeners[message[1]].owner
            self._log_error(owner, f"socket: error on {message[1]} {os.strerror(message[2])}")
        else:
            self.dropped["ERROR"] += 1

    def _held(self, id_: int) -> StreamSocket | None:
        """The socket with an id, even when its actor has closed it and FORGET has not come yet."""
        return self._own.get(id_) or self._holdings.parting.get(id_)

    def _tell(self, socket: StreamSocket, error: int) -> None:
        if not socket.told:
            socket.told = True
            self._log_error(socket.owner, f"socket: error on {socket.id} {os.strerror(error)}")

    def _sent(self, message: Sequence[Any]) -> None:
        socket = self._own.get(message[1])
        if socket is not None:
            socket.progressed(message[2])
            self._holdings.wake_drainers(socket)
        else:
            self.dropped["SENT"] += 1

    def _forget(self, message: Sequence[Any]) -> None:
        socket = self._holdings.forget(message[1]) or self._closed_listeners.pop(message[1], None)
        if socket is None:
            self.dropped["FORGET"] += 1
            return
        descriptor = socket.forgotten()
        if descriptor is not None:
            self._kernel.close(descriptor)
        if isinstance(socket, StreamSocket):
            self._holdings.wake_drainers(socket)

    # -- sockets that change hands --

    def _sent_by(self, message: Sequence[Any]) -> None:
        _, id_, source, queued = message
        del source
        if not self._holdings.sent_by(id_, queued):
            self.dropped["SEND"] += 1

    def _recall(self, message: Sequence[Any]) -> None:
        socket = self._holdings.recall(message[1])
        if socket is not None:
            self._let_go(socket)
        else:
            self.dropped["RECALL"] += 1

    def _take_over(self, message: Sequence[Any]) -> None:
        _, id_, *fields, peer = message
        descriptor = self._adopt()
        claim = self._foreign.take_claim(id_)
        if claim is None:
            raise InternalError(f"socket {id_} came without having been claimed")
        waiting = [waiter for waiter in claim.waiters if not waiter.done() and waiter.actor.life is not Life.ENDED]
        actor = (waiting or claim.waiters)[0].actor
        socket = self._make(id_, descriptor, actor, SocketAddress(*peer))
        self._holdings.take_over(socket, claim, actor.address, fields)
        socket.told = bool(socket.error)
        self._belongs_to(socket, actor)
        if not waiting:
            self._log_error(actor, f"socket: {id_} came when nobody waited for it any more: closed")
            self.close_socket(socket)
        for waiter in waiting:
            waiter.set_result(None)

    # --

    def ask_local_address(self, socket: AnySocket) -> SocketAddress:
        """Our end of a socket. Raises SocketClosed when nobody knows it any more."""
        if socket.descriptor is None:
            raise SocketClosed(f"socket {socket.id} has ended: its local address is not known any more")
        return SocketAddress(*self._kernel.local_address(socket.descriptor))

    def _adopt(self) -> int | None:
        descriptor = self._lane.take_descriptor()
        if descriptor is not None and len(self._own) >= self._limit:
            self._kernel.close(descriptor)
            return None
        return descriptor

    def _make(self, id_: int, descriptor: int | None, owner: Actor, peer: SocketAddress) -> StreamSocket:
        return StreamSocket(
            id_, descriptor, self.settings.read_window, self._emit, self._loop, owner, peer, self._kernel
        )

    def _add(self, id_: int, descriptor: int | None, owner: Actor, peer: SocketAddress) -> StreamSocket:
        self._own[id_] = socket = self._make(id_, descriptor, owner, peer)
        return socket
