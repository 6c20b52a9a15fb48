"""One connection, some workers and the socket service: both real ends, a worker's shell, and lanes of any delay.

The actors say things to each other, over the bus and by way of the node, which carries on what they know of.
The kernel is a model. A step of the socket service does with it the same as the shell of that end, and nothing more.
Every step can happen at any time, and a worker can die at any time: any first part of its messages is in its lane then.
A connection that has ended changes hands like any other: what was not read, and the end behind it, must come along.
"""

from __future__ import annotations

import errno
import functools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, cast

from skypy.core.causal.fence import Fence, Gate
from skypy.core.causal.passages import Passages
from skypy.core.close_reason import CloseReason
from skypy.core.errors import SocketClosed
from skypy.core.output_marks import OutputMarks
from skypy.core.tcp.connection import Connection
from skypy.core.tcp.hand_over import Remains
from skypy.core.tcp.lease import LeaseState
from skypy.core.tcp.leases import Leases
from skypy.core.tcp.read_half import ReadState
from skypy.core.tcp.state import DELIVERING, OWNED, Effect, Input, State
from skypy.core.tcp.worker_port import Reader, WorkerPort
from skypy.core.waiting import Wakeable
from skypy.core.wire import socket_lane
from skypy.core.wire.codec import pack, unpack
from skypy.core.wire.socket_lane import HIGH, LOW, Message
from skypy.worker.sockets.stream_socket import StreamSocket
from tests.core.hand_over_people import Peer, Wait
from tests.core.tcp_kernel import Kernel

ID: Final = 7
WINDOW: Final = 60
PLENTY: Final = 1 << 30
BUFFERS: Final = 3
LONGEST_REST: Final = 2000


def end_of(process_number: int, count: int) -> bytes:
    """Return the name of an END among the messages that actors know of."""
    return f"END {process_number} {count}".encode()


Step = Callable[[int], None]
"""Something that may happen now; the number (0 to 255) says how."""


class Calls:
    """The system calls of a worker, on the model of the kernel."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def read(self, _: int, size: int) -> bytes:
        return self._kernel.receive(size)

    def write(self, _: int, data: bytes) -> int:
        return self._kernel.send([data])

    def writev(self, _: int, buffers: Sequence[bytes | memoryview]) -> int:
        return self._kernel.send(buffers)


class HeldSocket(StreamSocket):
    """A worker's socket, which no task reads: the actor looks into the buffer."""

    __slots__ = ("closes", "watched")

    def __init__(self, kernel: Kernel, send: Callable[[Message], None]) -> None:
        nothing = cast(Any, None)
        super().__init__(ID, 3, WINDOW, send, nothing, nothing, nothing, cast(Any, Calls(kernel)))
        self.closes = 0
        self.watched = False

    @property
    def origin(self) -> Any:
        return ("peer", 1), None, True


class Worker:
    """A worker with an actor that does anything at any time, and its lane."""

    def __init__(self, number: int, world: World) -> None:
        self.process_number = self.number = number
        self.full = False
        self.world = world
        self.alive = True
        self.lost_output = False  # by its death
        self.ended = False
        """True once the socket service has seen the end of its lane."""
        self.requests: deque[Any] = deque()
        self.reports: deque[Any] = deque()
        self.fence = Fence(number)
        self.leases: Leases[HeldSocket, Wait] = Leases(
            self.ask,
            lambda: None,
            self.wake,
            high_water=1,
            low_water=1,
            write_limit=1 << 30,
            warn=lambda *_: None,
            fence=self.fence,
            marks=OutputMarks([0] * 4),
        )
        foreign = self.leases.foreign
        self.fence.begin(
            lambda *fields: self.ask((socket_lane.FENCE, *fields)),
            foreign.flush,
            lambda: self.fence.total,
            self.leases.caught_up,
        )
        self.known: set[bytes] = set()
        """The written messages, and the ENDs, of which the actor knows."""
        self.bus: dict[int, deque[tuple[int, int, frozenset[bytes]]]] = {
            other: deque() for other in range(1, world.worker_count + 1) if other != number
        }
        """Messages to other workers, by the number of the worker."""
        self.gates = {other: Gate(self.fence, other, self._learn) for other in self.bus}
        self.kept: deque[tuple[int, frozenset[bytes]]] = deque()
        self.to_node: deque[tuple[int, frozenset[bytes]]] = deque()
        self.from_node: deque[tuple[int, frozenset[bytes]]] = deque()
        self.accepted: list[tuple[bytes, bool]] = []  # written messages, each with True if by the owner and directly
        self.has_ended_it = False
        """True once its actor has closed or aborted the connection while another worker had it."""
        self.takers: list[Wait] = []
        self.drains: list[Wait] = []
        self.heard: dict[int, Callable[..., object]] = {
            socket_lane.SOCKET_DATA: self._data,
            socket_lane.SOCKET_MORE: self._data,
            socket_lane.SOCKET_LEND: self._lent,
            socket_lane.SOCKET_CLOSE: self._closed,
            socket_lane.SOCKET_ERROR: lambda error, *_: self._held(lambda socket: socket.lease.broken(error)),
            socket_lane.SOCKET_SENT: lambda position: self._held(lambda socket: socket.write_half.progressed(position)),
            socket_lane.SOCKET_FORGET: self._forget,
            socket_lane.SOCKET_DRAIN_BY: lambda source, request: self.leases.drain_by(ID, source, request),
            socket_lane.SOCKET_DRAIN_DONE: self._drain_done,
            socket_lane.SOCKET_GONE: lambda *_: self.leases.gone(ID),
            socket_lane.SOCKET_RECALL: lambda: self.leases.recall(ID),
            socket_lane.SOCKET_HANDED_OVER: self._handed_over,
            socket_lane.SOCKET_REMAINS: self._took_remains,
            socket_lane.SOCKET_END_BY: self._ended_by,
            socket_lane.SOCKET_REFUSED: self._refused,
        }

    @property
    def socket(self) -> HeldSocket | None:
        return self.leases.own.get(ID)

    @staticmethod
    def wake(waiter: Wakeable) -> None:
        waiter.set_result(None)

    # -- its lane --

    def ask(self, message: Message) -> None:
        self.requests.append(unpack(pack(message)))

    def send(self, message: Message) -> None:
        if self.alive:
            self.reports.append(unpack(pack(message)))

    def send_with_descriptor(self, message: Message, descriptor: int) -> None:
        del descriptor
        self.send(message)

    def stall(self, reader: Reader) -> None:
        raise AssertionError("it is never full")

    def hear(self, _: int) -> None:
        kind, *fields = self.reports.popleft()
        if kind == socket_lane.SOCKET_SENT_BY:
            self.leases.sent_by(*fields)
        elif kind == socket_lane.SOCKET_FENCED:
            self.fence.reached(*fields)
        else:
            self.heard[kind](*fields[1:])

    def _held(self, do: Callable[[HeldSocket], object]) -> None:
        socket = self.socket or self.leases.parting.get(ID)
        if socket is not None:
            do(socket)
            self.leases.wake_drainers(socket)

    def _data(self, data: bytes) -> None:
        socket = self.socket or self.leases.parting[ID]
        half, state = socket.read_half, socket.lease.state
        assert state is not LeaseState.YIELDED, "input for a former owner"
        assert not socket.closes, "input behind its end"
        half.received(data)
        parting = state in (LeaseState.CLOSING, LeaseState.LEAVING)
        assert half.read <= half.limit or parting, "input beyond the credit"

    def _lent(self) -> None:
        socket = self.socket
        if socket is not None and socket.lease.lent():
            socket.watched = True

    @property
    def may_read_directly(self) -> bool:
        return self.alive and self.socket is not None and self.socket.watched and self.world.kernel.readable

    def read_directly(self, _: int) -> None:
        socket = self.socket
        assert socket is not None
        lent = socket.read_half.state is ReadState.LENT
        assert not (lent and socket.closes), "input behind its end"
        socket.watched = socket.take_input()
        assert socket.read_half.read <= socket.read_half.limit, "input beyond the credit"

    def _closed(self, error: int, *_: str) -> None:
        socket = self.socket or self.leases.parting[ID]
        socket.closes += 1
        assert socket.closes == 1, "two ends of input for one owner"
        former = socket.lease.state is LeaseState.YIELDED
        assert not former or self.world.bug_met, "the end of input for a former owner"
        socket.lease.closed(error)
        self.leases.wake_drainers(socket)

    def _forget(self) -> None:
        socket = self.leases.forget(ID)
        assert socket is not None, "SOCKET_FORGET for nothing"
        assert socket.lease.forgotten() is not None, "SOCKET_FORGET twice"
        self.leases.wake_drainers(socket)

    def _handed_over(self, *fields: Any) -> None:
        take_over = self._take_over_ended()
        *fields_, peer, local, has_connected = fields
        assert (peer, local, has_connected) == (["peer", 1], None, True)
        self.leases.handed_over(self.world.make_socket(self), self.process_number, fields_)
        for end in fields_[-1]:
            self._end_own(*end)
        for taker in take_over.takers:
            taker.set_result(None)

    def _took_remains(self, *fields: Any) -> None:
        take_over = self._take_over_ended()
        *fields_, reason, peer, local, has_connected = fields
        assert (peer, local, has_connected) == (["peer", 1], None, True)
        socket = self.world.make_socket(self, descriptor=None)
        self.leases.took_remains(socket, self.process_number, fields_)
        socket.closes = 1
        self.world.check_reason(socket, CloseReason(reason))
        for taker in take_over.takers:
            taker.set_result(None)

    def _take_over_ended(self) -> Any:
        take_over = self.leases.foreign.handed_over(ID)
        assert take_over is not None, "SOCKET_HANDED_OVER without TAKE_OVER"
        assert ID not in self.leases.own
        assert ID not in self.leases.parting
        return take_over

    def _refused(self) -> None:
        connection = self.world.connection
        assert connection.state not in OWNED, "refused though it has an owner"
        assert connection.remains is None or connection.remains.left, "refused though it has an owner"
        self.leases.foreign.refused(ID)

    def _ended_by(self, how: str, *counts: int) -> None:
        self._end_own(how, *counts)
        self.leases.ended_by(ID, *counts)

    def _end_own(self, how: str, process_number: int, passed: int, _total: int) -> None:
        socket = self.socket
        if socket is None:
            return
        self.world.ended_by(end_of(process_number, passed), how, socket)
        known, self.known = self.known, set()  # the actor that ends it may know less
        if how == "close":
            self.close()
        elif how == "abort":
            self.abort()
        else:
            self.finish_half(how)
        self.known = known

    def _drain_done(self, request: int) -> None:
        self.leases.foreign.end_drain(request)
        for wait in self.drains:
            if wait.succeeded:
                assert self.world.peer.received.issuperset(wait.before), "drained, but not sent"

    # -- its actor --

    def steps(self) -> Iterator[Step]:
        yield from (self.write, self.write, self.end_turn, self.take_over, self.drain, self.say)
        if self.socket is None:
            yield self.end_elsewhere
        if self.reports:
            yield from (self.hear, self.hear, self.hear)
        if self.socket is not None:
            yield from (self.read, self.end, self.pause_or_start)
        yield self.die

    def write(self, n: int) -> None:
        letter, priority = ("H", HIGH) if n % 2 else ("L", LOW)
        message = self.world.peer.message(self.process_number, letter, 70_000 if n > 245 else 7 + n // 8)
        size = self.socket.write_half.corked.size if self.socket is not None else 0
        if self.leases.write(ID, message, priority):
            directly = self.socket is not None and self.socket.write_half.corked.size > size
            self.accepted.append((message, directly))
            self.world.peer.happened_before(message, self.known)
            self.world.after[message] = frozenset(self.known)
            self.known.add(message)

    def say(self, n: int) -> None:
        """Tell another actor, by a message or by way of the node, which tells all others."""
        if n % 4:
            if n % 2:
                self.fence.flush()  # else it leaves before the foreign writes of this turn
            other = list(self.bus)[n // 4 % len(self.bus)]
            self.bus[other].append((self.fence.made, self.fence.known, frozenset(self.known)))
        elif not self.kept and self.fence.own_has_passed:
            self.to_node.append((self.fence.known, frozenset(self.known)))
        else:
            self.kept.append((self.fence.made, frozenset(self.known)))
            self.fence.wait(self.number, self.fence.made, 0, self._let_go)

    def _let_go(self) -> None:
        while self.kept and self.fence.is_met(self.number, self.kept[0][0], 0):
            self.to_node.append((self.fence.known, self.kept.popleft()[1]))

    def hear_other(self, other: Worker, _: int) -> None:
        made, total, known = other.bus[self.number].popleft()
        if self.gates[other.number].admit(made, total, known):
            self._learn(known)

    def hear_node(self, _: int) -> None:
        total, known = self.from_node.popleft()
        self.fence.require(total)
        self._learn(known)

    def _learn(self, known: frozenset[bytes]) -> None:
        self.known |= known

    def end_turn(self, _: int = 0) -> None:
        for socket in self.leases.take_dirty():
            socket.flush()
            self.leases.flushed(socket)
        self.leases.foreign.flush()
        self.leases.send_receipt()

    def take_over(self, _: int = 0) -> None:
        if self.socket is None:
            self.takers.append(Wait())
            self.leases.take_over(ID, self.takers[-1])

    def drain(self, _: int) -> None:
        if self.socket is None and not any(not wait.done() for wait in self.takers):
            wait = Wait([message for message, _ in self.accepted])
            try:
                self.leases.foreign.drain(ID, wait)
            except SocketClosed:
                return
            self.drains.append(wait)

    def read(self, n: int) -> None:
        socket = self.socket
        assert socket is not None
        half = socket.read_half
        buffer = half.buffer
        if n > 127 and half.state in (ReadState.OPEN, ReadState.LENT) and buffer.size < n:
            socket.lease.want(n)  # the reader waits
            return
        self.world.take_input(buffer.read(min(n, buffer.size)) or b"")
        socket.lease.want()
        if not buffer.size:
            self.world.met_end(socket)

    def pause_or_start(self, n: int) -> None:
        socket = self.socket
        assert socket is not None
        if n < 50:
            socket.lease.pause()
        elif n < 100:
            socket.lease.resume()
        elif n < 130:
            socket.lease.start(self.process_number + n % 2)  # the actor that has it, or another one of this worker

    def end(self, n: int) -> None:
        socket = self.socket
        assert socket is not None
        if n < 80:
            self.write(n)
            self.finish_half("w")
        elif n < 95:
            self.finish_half("r")
        elif n < 120:
            self.close()
        elif n < 128:
            self.abort()
        elif n < 140 and socket.read_half.state in (ReadState.OPEN, ReadState.LENT):
            socket.lease.break_off(errno.EMSGSIZE, CloseReason.BUFFER_LIMIT)
            self.world.broken_off = True

    def end_elsewhere(self, n: int) -> None:
        if n < 30:
            how = ("close", "abort", "w", "r")[n % 4]
            made = self.fence.made
            self.leases.foreign.end(ID, how)
            self.has_ended_it |= how in ("close", "abort")
            if self.fence.made != made:
                end = end_of(self.number, self.fence.made)
                self.world.before_end[end] = frozenset(self.known)
                self.known.add(end)

    def finish_half(self, how: str) -> None:
        socket = self.socket
        assert socket is not None
        if how == "w":
            self.world.must_arrive |= self.known if socket.write_half.writable else set()
            self.leases.shutdown_write(socket)
        else:
            socket.lease.shutdown_read()
            self.world.input_dropped = True

    def abort(self) -> None:
        socket = self.socket
        assert socket is not None
        self.leases.abort(socket)
        self.world.aborted = self.world.input_dropped = True

    def close(self) -> None:
        socket = self.socket
        assert socket is not None
        self.world.must_arrive |= self.known if socket.write_half.writable else set()
        self.leases.close(socket)
        self.world.input_dropped = True

    def die(self, n: int) -> None:
        if n < 12:
            self.alive = False
            taking = (socket_lane.SOCKET_HANDED_OVER, socket_lane.SOCKET_REMAINS)
            takes_over = any(kind in taking for kind, *_ in self.reports)
            self.world.input_dropped |= takes_over or self.socket is not None
            self.reports.clear()
            self.lost_output = self.socket is not None and self.socket.write_half.corked.size > 0
            while len(self.requests) > n:
                self.lost_output |= self.requests.pop()[0] == socket_lane.WRITE
            self.from_node.clear()
            for said in self.bus.values():
                while len(said) > n:
                    said.pop()
            while len(self.to_node) > n:
                self.to_node.pop()

    # -- and in the end --

    def check_rest(self) -> None:
        assert all(wait.done() for wait in (*self.takers, *self.drains)), "a wait never ends"
        assert not any(gate.held for gate in self.gates.values()), "an actor's message is never handled"
        assert not self.fence.behind
        assert not self.kept
        assert not self.leases.foreign.returning, "messages never come back"
        assert self.leases.settled
        if self.world.kernel.reset or self.world.owner_died:
            return
        is_told = not self.leases.write(ID, b"", HIGH)
        for message, as_owner in self.accepted:
            if message not in self.world.peer.received:
                assert self.world.aborted if as_owner else is_told, (
                    f"{message[:7]!r} is lost, and its writer is not told"
                )


class World:
    """Everything, with the socket service in the middle."""

    worker_class = Worker
    worker_count = 3

    def __init__(self) -> None:
        self.peer = Peer()
        self.kernel = Kernel(self.peer)
        self.workers = [self.worker_class(number, self) for number in range(1, self.worker_count + 1)]
        self.sockets: list[tuple[Worker, HeldSocket]] = []
        self.input_length = 0
        self.input_dropped = False
        self.aborted = False
        self.must_arrive: set[bytes] = set()
        """The messages of which an owner knew when it closed the connection, or finished its output."""
        self.after: dict[bytes, frozenset[bytes]] = {}
        """By the message, the messages and ENDs that happened before it."""
        self.before_end: dict[bytes, frozenset[bytes]] = {}
        """By the END, the messages and ENDs that happened before it."""
        self.ends: set[bytes] = set()
        """The ENDs that have finished the output of the connection at once."""
        self.node_total = 0
        self.node_knows: set[bytes] = set()
        self.owner_died = False
        self.broken_off = False  # a limit was passed
        self.reset_told = False
        self.bug_met = False
        self.impatient = False  # a deadline runs
        self.freed = False
        first = self.workers[0]
        self.connection = Connection(ID, first)
        first.leases.own[ID] = socket = self.make_socket(first)
        connection = self.connection
        self.passages = Passages(lambda _: None if self.freed else connection)
        self.passed_on: dict[int, Callable[..., None]] = {
            socket_lane.SEND: self.passages.send,
            socket_lane.FENCE: self.passages.fence,
            socket_lane.RECEIPT: self.passages.receipt,
            socket_lane.DRAIN: self.passages.drain,
        }
        connection.credit(WINDOW, first.process_number)  # as its listener has granted it
        socket.lease.accepted(first.process_number)
        self.served: dict[int, Callable[..., Sequence[Effect] | None]] = {
            socket_lane.CREDIT: connection.credit,
            socket_lane.WRITE: connection.write,
            socket_lane.SHUTDOWN: connection.shutdown,
            socket_lane.CLOSE: self._close,
            socket_lane.ABORT: lambda dropped: connection.abort(by_reset=dropped),
            socket_lane.YIELD: self._yield,
            socket_lane.RETURN: connection.returned,
            socket_lane.BREAK: lambda error, reason: connection.break_off(error, CloseReason(reason)),
        }

    def make_socket(self, worker: Worker, *, descriptor: int | None = 3) -> HeldSocket:
        socket = HeldSocket(self.kernel, worker.ask)
        socket.lease.descriptor = descriptor
        self.sockets.append((worker, socket))
        return socket

    def take_input(self, data: bytes) -> None:
        start = self.input_length
        self.input_length += len(data)
        assert self.kernel.arrived[start : self.input_length] == data, "input lost, doubled or out of order"

    def met_end(self, socket: HeldSocket) -> None:
        """Let a reader meet what stands behind the input."""
        if socket.read_half.state is ReadState.BROKEN:
            assert socket.lease.error
            assert not self.reset_told, "a reset is told twice"
            self.reset_told = True
            socket.read_half.stop()
        elif socket.read_half.state is ReadState.ENDED:
            assert self.input_dropped or self.kernel.reset or self.input_length == len(self.kernel.arrived)
            clean = self.kernel.fin_received or not self.kernel.reset or self.input_dropped
            assert clean or socket.lease.error, "a reset is taken for the end of input"
            assert clean or self.reset_told, "a reader is not told of the reset"

    def check_reason(self, socket: HeldSocket, reason: CloseReason) -> None:
        """Check the reason with which the remains of a connection have come."""
        if not socket.lease.error:
            assert reason is CloseReason.EOF
        elif reason is CloseReason.BUFFER_LIMIT:
            assert self.broken_off
        else:
            assert reason in (CloseReason.RESET, CloseReason.INTERNAL_ERROR)

    # -- what may happen --

    def steps(self) -> Iterator[Step]:
        for worker in self.workers:
            if worker.alive:
                yield from worker.steps()
        yield from self.pending()
        if self.impatient and not self.freed:
            yield self.lose_patience
        if not self.freed:
            yield self.meet_a_bug
        if not self.kernel.reset:
            yield from (self.peer_reads, self.peer_reads, self.peer_resets)
            if not self.kernel.fin_received:
                yield from (self.peer_sends, self.peer_sends, self.peer_finishes)

    def pending(self) -> Iterator[Step]:
        """Yield the steps that come sooner or later even if no actor begins anything new."""
        for worker in self.workers:
            if worker.reports:
                yield worker.hear
            if worker.requests:
                yield functools.partial(self.serve, worker)
            elif not worker.alive and not worker.ended:
                yield functools.partial(self.see_lane_end, worker)
            if worker.may_read_directly:
                yield worker.read_directly
            yield from self.pending_messages(worker)
        if not self.freed:
            yield from self.pending_news()

    def pending_news(self) -> Iterator[Step]:
        """Yield the news of the kernel that come to the socket service."""
        if self.connection.queue.size:
            yield self.write_queued
        if self.connection.wants_read and self.kernel.readable:
            yield self.read_arrived
        if self.kernel.reset and not self.connection.wants_read and self.connection.state not in DELIVERING:
            yield self.hang_up
        elif self.connection.state is State.CUT_OFF and not self.connection.queue.size:
            yield self.meet_delivery

    def meet_delivery(self, _: int) -> None:
        self.perform(self.connection.apply(Input.DELIVERED))

    def pending_messages(self, worker: Worker) -> Iterator[Step]:
        """Yield the steps by which a worker's messages to others arrive, and the node's to it."""
        if worker.to_node:
            yield functools.partial(self.tell_node, worker)
        if worker.from_node and worker.alive:
            yield worker.hear_node
        for number, said in worker.bus.items():
            other = self.workers[number - 1]
            if said and other.alive:
                yield functools.partial(other.hear_other, worker)

    # -- the socket service --

    def serve(self, worker: Worker, _: int) -> None:
        kind, *fields = worker.requests.popleft()
        connection = self.connection
        passage = self.passed_on.get(kind)
        if passage is not None:
            passage(worker, *fields)
            return
        _id, *fields = fields
        if kind == socket_lane.TAKE_OVER:
            self.holder.take_over(worker)
        elif kind == socket_lane.END:
            self.passages.end(worker, fields[0], None if self.freed and self.holder is connection else self.holder)
        elif kind == socket_lane.DRAINED:
            if connection.worker is worker and connection.hand_over is not None:
                connection.hand_over.drained(*fields)
        elif connection.worker is worker and connection.state in OWNED:
            if connection.hand_over is not None and connection.hand_over.recalled and kind != socket_lane.YIELD:
                self.ends.clear()  # an end that crosses a recall: output that waits is written before it
            self.perform(self.served[kind](*fields) or ())
        elif isinstance(self.holder, Remains) and self.holder.worker is worker:
            remains = self.holder
            remains.serve(kind, fields)
            if kind == socket_lane.YIELD:
                self.input_dropped |= remains.left or not self._is_alive(remains.worker)
        # else it crossed the end

    @property
    def holder(self) -> Connection | Remains:
        """The part of the connection that an owner has."""
        remains = self.connection.remains
        return self.connection if remains is None or remains.left else remains

    def _is_alive(self, worker: WorkerPort) -> bool:
        return self.workers[worker.process_number - 1].alive

    def ended_by(self, end: bytes, how: str, socket: HeldSocket) -> None:
        """Note that an END is carried out now."""
        worker = next(worker for worker in self.living() if worker.socket is socket)
        finishing = not worker.leases.settled  # another end has come first, and waits
        if how in ("close", "w") and socket.write_half.writable and not finishing:
            self.must_arrive |= self.before_end[end]
        if how != "r" and not worker.fence.behind and not worker.leases.foreign.returning:
            self.ends.add(end)

    def _yield(self, *last_words: Any) -> Sequence[Effect]:
        handed_over = self.connection.yielded(*last_words)
        if handed_over is None:
            self.input_dropped = True
            return self.connection.close(CloseReason.WORKER_DIED)
        self.input_dropped |= not self._is_alive(self.connection.worker)
        self.connection.worker.send(handed_over)
        return self.connection.resume()

    def _close(self, *reason: str) -> Sequence[Effect]:
        return self.connection.close(*map(CloseReason, reason))

    def tell_node(self, worker: Worker, _: int) -> None:
        total, known = worker.to_node.popleft()
        self.node_total = max(self.node_total, total)
        self.node_knows |= known
        for other in self.workers:
            if other is not worker and other.alive:
                other.from_node.append((self.node_total, frozenset(self.node_knows)))

    def see_lane_end(self, worker: Worker, _: int) -> None:
        worker.ended = True
        self.passages.worker_ended(worker)
        self.input_dropped |= self.holder.worker is worker
        if self.connection.remains is not None:
            self.connection.remains.worker_died(worker)
        if self.connection.hand_over is not None:
            self.connection.hand_over.worker_died(worker)
        if self.connection.worker is worker and self.connection.state in OWNED:
            self.owner_died = self.input_dropped = True
            self.perform(self.connection.close(CloseReason.WORKER_DIED, missing=worker.lost_output))

    def write_queued(self, _: int) -> None:
        try:
            count = self.kernel.send(self.connection.queue.first(BUFFERS))
        except BlockingIOError:
            return
        except OSError as error:
            self.perform(self.connection.write_failed(error.errno or 0))
        else:
            self.perform(self.connection.wrote(count))

    def read_arrived(self, n: int) -> None:
        try:
            data = self.kernel.receive(self.connection.read_half.read_size)
        except OSError as error:
            self.perform(self.connection.end_of_input(error.errno or 0))
            return
        if not data:
            self.perform(self.connection.end_of_input())
        elif self.connection.received(len(data)):
            worker = self.connection.worker
            self.connection.read_half.deliver(worker, data, more=n % 2 == 1)
            if n < 160 and self.connection.state in DELIVERING and self.connection.wants_read:
                self.connection.read_half.lend(worker)

    def hang_up(self, _: int) -> None:
        self.perform(self.connection.write_failed(self.kernel.take_error() or errno.ECONNRESET))

    def lose_patience(self, n: int) -> None:
        if n < 20:
            self.perform(self.connection.deadline_passed())

    def meet_a_bug(self, n: int) -> None:
        """Let the socket service end the connection after its own code has raised."""
        if n < 3:
            self.connection.collapse(errno.EIO)
            self.kernel.reset = self.freed = self.bug_met = True

    def perform(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            assert not self.freed, f"{effect.name} for a connection that is freed"
            match effect:
                case Effect.SEND_FIN:
                    assert not self.kernel.fin_sent
                    whole = self.peer.between_messages or self.kernel.reset
                    assert whole, "a clean end inside of a message"
                    self.kernel.fin_sent = True
                case Effect.FORCE_RESET:
                    self.kernel.reset = True
                case Effect.AWAIT_ANSWER:
                    pass  # no owner takes that long here
                case Effect.AWAIT_FLUSH | Effect.AWAIT_END | Effect.AWAIT_RESET:
                    self.impatient = True
                case Effect.FREE:
                    assert self.kernel.fin_sent or self.kernel.reset, "the peer would take it for a clean end"
                    self.freed = True
                case _:
                    assert effect in (Effect.LOG_LOST, Effect.LOG_CUT_OFF)

    # -- the peer --

    def peer_reads(self, n: int) -> None:
        self.kernel.room += 100_000 if n > 245 else n // 2

    def peer_sends(self, n: int) -> None:
        start = len(self.kernel.arrived)
        self.kernel.arrived += bytes(position % 251 for position in range(start, start + 1 + n // 2))

    def peer_finishes(self, n: int) -> None:
        self.kernel.fin_received = n < 90

    def peer_resets(self, n: int) -> None:
        if n < (40 if self.connection.read_half.lent else 8):  # seldom, but often enough while a worker reads by itself
            self.kernel.be_reset()

    # -- and in the end --

    def come_to_rest(self) -> None:
        self.kernel.room = PLENTY
        for _ in range(LONGEST_REST):
            step = next(self.pending(), None) or next(self.turns(), None)
            if step is None:
                return
            step(0)
        raise AssertionError("it never comes to rest")

    def turns(self) -> Iterator[Step]:
        """Yield the ends of turns that would send something."""
        for worker in self.living():
            worker.end_turn()
            if worker.requests:
                yield functools.partial(self.serve, worker)

    def living(self) -> list[Worker]:
        return [worker for worker in self.workers if worker.alive]

    def finish(self) -> None:
        """Let the owner read to the end and close: nothing may be left, or missing, and no wait goes on."""
        self.come_to_rest()
        for worker in self.living():
            worker.check_rest()
        self.kernel.fin_received |= not self.kernel.reset
        owners = [worker for worker in self.living() if worker.socket is not None]
        assert len(owners) <= 1, "two owners"
        assert not (owners and any(worker.has_ended_it for worker in self.living())), "an end by another is lost"
        assert owners or self.input_dropped, "input is lost with its owner"
        for owner in owners:
            self.read_to_end(owner)
            owner.close()
        self.come_to_rest()
        self.check_order()
        assert self.freed
        assert self.connection.state is State.CLOSED
        assert self.holder is self.connection, "what was left by its owner is remembered"
        for worker, socket in self.sockets:
            assert socket.descriptor is None or not worker.alive, "a descriptor is never forgotten"

    def check_order(self) -> None:
        """Check that what happened before an orderly end has arrived, unless the worker that wrote it has died.

        Nothing that happened after an END that has finished the output may have come.
        """
        late = {message[:7] for message in self.peer.received if self.ends & self.after[message]}
        assert not late, f"{late} happened after an END and came before it"
        if self.kernel.reset or self.aborted or self.owner_died:
            return
        dead = {str(worker.number).encode() for worker in self.workers if not worker.alive}
        expected = self.must_arrive - self.peer.received - self.before_end.keys()
        missing = {message[:7] for message in expected if message[:1] not in dead}
        assert not missing, f"{missing} happened before the end and is lost"

    def read_to_end(self, owner: Worker) -> None:
        for _ in range(LONGEST_REST):
            socket = owner.socket
            assert socket is not None
            if socket.read_half.state not in (ReadState.OPEN, ReadState.LENT):
                break
            socket.lease.resume()
            owner.read(WINDOW)
            self.come_to_rest()
        else:
            raise AssertionError("the reader never meets the end")
        self.take_input(socket.read_half.buffer.read_all())
        self.met_end(socket)
        self.met_end(socket)


def play(choices: bytes) -> None:
    """Let the world take the steps that pairs of bytes choose (which one, and how), and come to its end."""
    play_in(World(), choices)


def play_in(world: World, choices: bytes) -> None:
    """Play in a world of some kind."""
    if choices[0] > 200:  # it is half closed from the beginning
        world.peer_sends(choices[1])
        world.peer_finishes(0)
    for which, n in zip(choices[::2], choices[1::2], strict=True):
        steps = list(world.steps())
        if not steps:
            break
        step = steps[which % len(steps)]
        step(n)
    world.finish()
