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
from skypy.core.errors import InternalError, SocketBroken
from skypy.core.messages import ABORT, CANCEL, CLOSE, CONNECT, LISTEN
from skypy.lane import Lane, LaneEnded
from skypy.worker.actor import Life
from skypy.worker.foreign import ForeignSockets, Reminder
from skypy.worker.scheduler import Scheduler
from skypy.worker.socket import ListenerSocket, SocketAddress, StreamSocket
from skypy.worker.waiter import Waiter

if TYPE_CHECKING:
    from skypy.core.settings import SocketSettings
    from skypy.worker.actor import Actor

RESERVED_DESCRIPTORS: Final = 256
"""Kept free for what services and libraries open; beyond it sockets are held without a duplicate."""

AnySocket = StreamSocket | ListenerSocket


class Sockets:
    """All sockets of a worker, by id. Turns messages of the lane into what readers and writers wait for."""

    def __init__(
        self,
        lane: Lane,
        scheduler: Scheduler,
        settings: SocketSettings,
        log_error: Callable[[Actor, str], None],
        service_gone: Callable[[], None],
    ) -> None:
        self._service_gone = service_gone
        self.settings = settings
        self.dropped: Counter[str] = Counter()
        """How often a report crossed a close and was dropped, by its kind."""
        self._lane = lane
        self._scheduler = scheduler
        self._loop = scheduler.loop
        self._log_error = log_error
        self._sockets: dict[int, AnySocket] = {}  # those that actors here have
        self._parting: dict[int, AnySocket] = {}  # closed or yielded; their descriptors wait for FORGET
        self._foreign = ForeignSockets(self._emit, self._loop)
        self._requests: dict[int, Waiter[Any]] = {}
        self._last_request = 0
        self._dirty: list[StreamSocket] = []
        self._writing = False
        self._flushed: asyncio.Future[None] | None = None
        self._limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - RESERVED_DESCRIPTORS
        self.get = self._sockets.get
        """The socket with an id that an actor of this worker has, or None."""
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
            messages.DRAIN_BY: self._drain_by,
            messages.DRAIN_DONE: lambda message: self._foreign.drain_done(message[2]),
            messages.GONE: lambda message: self._foreign.gone(message[1]),
            messages.RECALL: self._recall,
            messages.OWN: self._own,
            messages.REFUSED: lambda message: self._foreign.gone(message[1]),
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
        if self._dirty:
            dirty, self._dirty = self._dirty, []
            for socket in dirty:
                socket.flush()
                if socket.drainers:
                    self._wake_drainers(socket)
        if self._foreign.dirty:
            self._foreign.flush()
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
        for socket in list(self._sockets.values()):
            if (descriptor := socket.forgotten()) is not None:
                os.close(descriptor)
            if isinstance(socket, StreamSocket):
                socket.input_ended(messages.SERVICE_GONE)
                socket.told = True
                self._wake_all(socket)
        for waiter in self._requests.values():
            waiter.set_exception(SocketBroken(messages.SERVICE_GONE, "the socket service is gone"))
        self._scheduler.end_turn()
        self._service_gone()

    # -- requests of actors --

    async def listen(self, actor: Actor, addresses: Sequence[tuple[int, str, int]], backlog: int) -> int:
        """A listening socket's id. Raises OSError."""
        id_: int
        id_, descriptor, local, _ = await self._request(LISTEN, list(addresses), backlog)
        self._sockets[id_] = ListenerSocket(id_, descriptor, self._emit, actor, SocketAddress(*local))
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
        if socket.state is Holding.OWN:
            socket.start(actor.address)

    def write(self, id_: int, data: bytes, priority: int) -> bool:
        """Cork a message until the end of the turn; False when nothing can be written."""
        socket = self._sockets.get(id_)
        if socket is None:
            self._scheduler.request_turn()
            return self._foreign.write(id_, data, priority)
        if socket.__class__ is not StreamSocket or not socket.writable:
            return False
        if data:
            if not socket.corked.size:
                self._dirty.append(socket)
                self._scheduler.request_turn()
            socket.corked.append(data, priority)
        return True

    async def claim(self, id_: int, actor: Actor) -> None:
        """Wait until this worker owns the socket. Raises SocketClosed."""
        await self._foreign.claim(id_, actor, yielded=id_ in self._parting)

    async def drain_foreign(self, id_: int) -> None:
        """Wait until the owner of a foreign socket has got rid of what was sent before. Raises SocketClosed."""
        await self._foreign.drain(id_)

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
        if isinstance(socket, StreamSocket):
            socket.flush()  # CLOSE must come behind its output
        socket.close()
        self._let_go(socket)

    def shutdown_write(self, socket: StreamSocket) -> None:
        """What is queued, then FIN."""
        socket.flush()
        socket.shutdown_write()

    def shutdown_read(self, socket: StreamSocket) -> None:
        """Stop reading."""
        socket.shutdown_read()
        self._wake_all(socket)

    def abort(self, socket: AnySocket) -> None:
        """Drop everything now."""
        if isinstance(socket, ListenerSocket):
            socket.close()
        else:
            socket.abort()
        self._let_go(socket)

    def _let_go(self, socket: AnySocket) -> None:
        """The actor has no part in it any more; what it still waits for ends."""
        del self._sockets[socket.id]
        socket.owner.sockets.discard(socket.id)
        if socket.state is not Holding.DEAD:
            self._parting[socket.id] = socket
        if socket.state is not Holding.YIELDED:
            self._foreign.gone(socket.id)
        if isinstance(socket, StreamSocket):
            socket.owner.streams.pop(socket.id, None)
            if socket.unclaimed is not None:
                socket.unclaimed.cancel()
            self._wake_all(socket)

    def _wake_all(self, socket: StreamSocket) -> None:
        """Resume the reader and the drainers, but not inside of the code that is running."""
        if socket.reader is not None:
            self._scheduler.wake(socket.reader)
        self._wake_drainers(socket)

    def _wake_drainers(self, socket: StreamSocket) -> None:
        if socket.drainers and socket.drained(self.settings.high_water):
            for waiter in socket.drainers:
                self._scheduler.wake(waiter)
            socket.drainers.clear()

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
            os.close(descriptor)
        self._emit((ABORT if peer is not None else CLOSE, id_))

    def _failed(self, message: Sequence[Any]) -> None:
        waiter = self._requests.pop(message[1], None)
        if waiter is not None and not waiter.done():
            waiter.set_exception(OSError(message[2], os.strerror(message[2])))

    def _accepted(self, message: Sequence[Any]) -> None:
        _, listener_id, id_, peer = message
        descriptor = self._adopt()
        listener = self._sockets.get(listener_id)
        if not isinstance(listener, ListenerSocket) or listener.accept is None or listener.state is not Holding.OWN:
            if descriptor is not None:
                os.close(descriptor)
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

    async def _accept(self, accept: Callable[[int, str], Any], socket: StreamSocket) -> None:
        actor = socket.owner
        try:
            result = accept(socket.id, socket.peer)
            if inspect.iscoroutine(result):
                await result
        except asyncio.CancelledError:
            if actor.ended is None and self._is_of(socket, actor):
                self.close_socket(socket)  # nobody else would
            raise
        except BaseException as error:
            self._accept_failed(accept, socket, error)
            if self._is_of(socket, actor):
                self.abort(socket)

    @staticmethod
    def _is_of(socket: StreamSocket, actor: Actor) -> bool:
        return socket.owner is actor and socket.state in (Holding.OWN, Holding.DEAD)

    def _accept_failed(self, accept: Callable[[int, str], Any], socket: StreamSocket, error: BaseException) -> None:
        if isinstance(error, SocketBroken) and socket.told and error.errno == socket.error:
            return  # the peer's reset of this very socket has been logged in one line
        socket.owner.failed(f"in accept of {socket.peer}", error, accept)

    def _claim_timed_out(self, socket: StreamSocket) -> None:
        socket.unclaimed = None
        self._log_error(
            socket.owner,
            f"socket: {socket.id} from {socket.peer} was started by nobody within "
            f"claim_timeout ({self.settings.claim_timeout:g} s): closed",
        )
        self.close_socket(socket)

    def _data(self, message: Sequence[Any]) -> None:
        socket = self._sockets.get(message[1])
        if socket.__class__ is not StreamSocket:
            self.dropped["DATA"] += 1
            return
        socket.data_received(message[2])
        if socket.reader is not None and socket.buffer.size >= socket.wakes_at:
            socket.wake_reader()

    def _more(self, message: Sequence[Any]) -> None:
        """DATA of the same socket follows at once: it wakes the reader, once for all of it."""
        socket = self._sockets.get(message[1])
        if isinstance(socket, StreamSocket):
            socket.data_received(message[2])
        else:
            self.dropped["MORE"] += 1

    def _closed(self, message: Sequence[Any]) -> None:
        socket = self._held(message[1])
        if not isinstance(socket, StreamSocket):
            self.dropped["CLOSE"] += 1
            return
        socket.input_ended(message[2])
        if message[2]:
            self._tell(socket, message[2])
            self._wake_drainers(socket)
        socket.wake_reader()

    def _error(self, message: Sequence[Any]) -> None:
        socket = self._held(message[1])
        if isinstance(socket, StreamSocket):
            socket.write_broke(message[2])
            self._tell(socket, message[2])
            self._wake_drainers(socket)
        elif socket is not None:
            self._log_error(socket.owner, f"socket: error on {socket.id} {os.strerror(message[2])}")
        else:
            self.dropped["ERROR"] += 1

    def _held(self, id_: int) -> AnySocket | None:
        """The socket with an id, even when its actor has closed it and FORGET has not come yet."""
        return self._sockets.get(id_) or self._parting.get(id_)

    def _tell(self, socket: StreamSocket, error: int) -> None:
        if not socket.told:
            socket.told = True
            self._log_error(socket.owner, f"socket: error on {socket.id} {os.strerror(error)}")

    def _sent(self, message: Sequence[Any]) -> None:
        socket = self._sockets.get(message[1])
        if isinstance(socket, StreamSocket):
            socket.progressed(message[2])
            self._wake_drainers(socket)
        else:
            self.dropped["SENT"] += 1

    def _forget(self, message: Sequence[Any]) -> None:
        socket = self._parting.pop(message[1], None) or self._sockets.get(message[1])
        if socket is None:
            self.dropped["FORGET"] += 1
            return
        descriptor = socket.forgotten()
        if descriptor is not None:
            os.close(descriptor)
        if isinstance(socket, StreamSocket):
            self._wake_drainers(socket)
        self._foreign.forgotten(socket.id)

    # -- sockets that change hands --

    def _sent_by(self, message: Sequence[Any]) -> None:
        _, id_, source, queued = message
        del source
        socket = self._sockets.get(id_)
        if not isinstance(socket, StreamSocket) or not socket.writable:
            self.dropped["SEND"] += 1
            return
        for priority, data in queued:
            self.write(id_, data, priority)

    def _drain_by(self, message: Sequence[Any]) -> None:
        _, id_, source, request = message
        socket = self._sockets.get(id_)
        done = (messages.DRAINED, id_, source, request)
        if not isinstance(socket, StreamSocket) or socket.drained(self.settings.high_water):
            self._emit(done)
        else:
            socket.drainers.append(Reminder(self._emit, done))

    def _recall(self, message: Sequence[Any]) -> None:
        socket = self._sockets.get(message[1])
        if not isinstance(socket, StreamSocket) or socket.state is not Holding.OWN:
            self.dropped["RECALL"] += 1  # it crossed a close, which answers it
            return
        if socket.corked.size:
            socket.hand_over()
        socket.yield_to_other()
        self._let_go(socket)

    def _own(self, message: Sequence[Any]) -> None:
        _, id_, unread, received, out, sent, reading, error, writable, peer = message
        descriptor = self._adopt()
        claim = self._foreign.take_claim(id_)
        if claim is None:
            raise InternalError(f"socket {id_} came without having been claimed")
        socket = self._add(id_, descriptor, claim.actor, SocketAddress(*peer))
        socket.taken_over(unread, received, out, sent, reading, error, writable=writable)
        socket.told = bool(error)
        self.start(socket, claim.actor)
        for priority, data in claim.corked.take():
            self.write(id_, data, priority)
        if claim.actor.life is Life.ENDED:
            self.close_socket(socket)
        for waiter in claim.waiters:
            if not waiter.done():
                waiter.set_result(None)

    # --

    def _adopt(self) -> int | None:
        descriptor = self._lane.take_descriptor()
        if descriptor is not None and len(self._sockets) >= self._limit:
            os.close(descriptor)
            return None
        return descriptor

    def _add(self, id_: int, descriptor: int | None, owner: Actor, peer: SocketAddress) -> StreamSocket:
        socket = StreamSocket(id_, descriptor, self.settings.read_window, self._emit, self._loop, owner, peer)
        self._sockets[id_] = socket
        return socket
