"""Both real ends of one connection, the worker's and the socket service's, under every timing.

Around them is only a model of the kernel and the peer, and two lanes in which messages wait for any time. A step does
with the kernel the same as the shells of the two ends, and nothing more.

The steps are drawn as plain bytes and not by a RuleBasedStateMachine, which takes twenty times as long for an example
and, as it leaves out most rules of each, meets the rare crossings ten times less often.
"""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from hypothesis import given, note, settings
from hypothesis import strategies as st

from skypy.core.close_reason import CloseReason
from skypy.core.tcp.connection import Connection
from skypy.core.tcp.lease import Lease, LeaseState
from skypy.core.tcp.read_half import ReadState
from skypy.core.tcp.state import DELIVERING, OWNED, Effect, State
from skypy.core.wire import socket_lane
from skypy.core.wire.codec import pack, unpack
from skypy.core.wire.socket_lane import HIGH, LOW, SOCKET_CLOSE, SOCKET_DATA, SOCKET_FORGET, SOCKET_MORE, Message
from tests.core.ends import OneWorker
from tests.core.lane_peer import Peer
from tests.core.tcp_kernel import Kernel

WINDOW: Final = 300
PLENTY: Final = 1 << 30
BUFFERS: Final = 3
LONGEST_REST: Final = 1000
ENDINGS: Final = 4
RESETS: Final = 16

Step = Callable[[int], None]
"""Something that may happen now; the number (0 to 255) says how."""


class BothEnds:
    """A worker and the socket service with one connection, the lanes between them, and the peer."""

    def __init__(self) -> None:
        self.peer = Peer()
        self.kernel = Kernel(self.peer)
        self.requests: deque[Any] = deque()
        self.reports: deque[Any] = deque()
        self.reported: list[int] = []  # kinds of the reports, in order
        self.connection = Connection(7, OneWorker(self.report))
        self.lease = Lease(7, 3, WINDOW, lambda message: self.requests.append(unpack(pack(message))))
        self.read_half, self.write_half = self.lease.read_half, self.lease.write_half
        self.heard: dict[int, Callable[..., object]] = {
            socket_lane.SOCKET_DATA: self.read_half.received,
            socket_lane.SOCKET_MORE: self.read_half.received,
            socket_lane.SOCKET_CLOSE: lambda error, *_: self.lease.closed(error),
            socket_lane.SOCKET_ERROR: lambda error, *_: self.lease.broken(error),
            socket_lane.SOCKET_SENT: self.write_half.progressed,
            socket_lane.SOCKET_FORGET: self.lease.forgotten,
        }
        self.served: dict[int, Callable[..., tuple[Effect, ...] | None]] = {
            socket_lane.CREDIT: self.connection.credit,
            socket_lane.WRITE: self.connection.write,
            socket_lane.SHUTDOWN: self.connection.shutdown,
            socket_lane.CLOSE: self.connection.close,
            socket_lane.ABORT: lambda by_reset, *_: self.connection.abort(by_reset=by_reset),
            socket_lane.BREAK: lambda error, reason: self.connection.break_off(error, CloseReason(reason)),
        }
        self.input = b""  # all bytes that the actor has read
        self.read_stopped = False
        self.broken_off = False
        self.impatient = False  # a deadline runs
        self.freed = False
        self.lease.start(0x0100000A)

    def steps(self, n: int) -> Iterator[Step]:
        """Yield the possible steps; those that end something only for some numbers, or little would happen before."""
        yield from self.steps_of_the_actor(n)
        yield from self.pending()
        if self.impatient and not self.freed and n % ENDINGS == 0:
            yield self.lose_patience
        if not self.kernel.reset:
            yield from self.steps_of_the_peer(n)

    def steps_of_the_actor(self, n: int) -> Iterator[Step]:
        if self.write_half.writable:
            yield self.write
        if self.write_half.corked.size:
            yield self.end_turn
        if self.lease.state is not LeaseState.CLOSING:
            yield from (self.read, self.pause, self.resume)
            if n % ENDINGS == 0:
                yield self.end
            if n % RESETS == 0 and (self.write_half.writable or self.read_half.state is ReadState.OPEN):
                yield self.pass_a_limit

    def steps_of_the_peer(self, n: int) -> Iterator[Step]:
        yield self.peer_reads
        if n % RESETS == 0:
            yield self.peer_resets
        if not self.kernel.fin_received:
            yield self.peer_sends
            if n % ENDINGS == 0:
                yield self.peer_finishes

    def pending(self) -> Iterator[Step]:
        """Yield the steps that come sooner or later even if the actor and the peer begin nothing new."""
        if self.reports:
            yield self.hear
        if self.requests:
            yield self.serve
        if self.freed:
            return
        if self.connection.queue.size:
            yield self.write_queued
        if self.connection.wants_read and self.kernel.readable:
            yield self.read_arrived
        if self.kernel.reset and not self.connection.wants_read and self.connection.state not in DELIVERING:
            yield self.hang_up

    # -- the actor and its worker --

    def write(self, n: int) -> None:
        size = 70_000 if n > 240 else 6 + n // 4
        letter, priority = ("H", HIGH) if n % 2 else ("L", LOW)
        self.write_half.corked.append(self.peer.message(letter, size), priority)

    def end_turn(self, _: int = 0) -> None:
        corked = self.write_half.corked
        while corked.size:
            if not self.lease.may_write_directly:
                self.lease.forward_output()
                return
            buffers = corked.first(BUFFERS)
            try:
                self.lease.wrote(self.kernel.send(buffers), sum(map(len, buffers)))
            except BlockingIOError:
                self.lease.forward_output()
            except OSError as error:
                self.lease.write_failed(error.errno or 0)

    def read(self, n: int) -> None:
        buffer = self.read_half.buffer
        if buffer.size < n * 2 and self.read_half.state is ReadState.OPEN:
            self.lease.want(n * 2)  # the reader waits
            return
        self.input += buffer.read(min(n * 2, buffer.size)) or b""
        self.lease.want()

    def pause(self, _: int) -> None:
        self.lease.pause()

    def resume(self, _: int) -> None:
        self.lease.resume()

    def pass_a_limit(self, _: int) -> None:
        self.lease.break_off(errno.ENOBUFS, CloseReason.WRITE_LIMIT)
        self.broken_off = True

    def end(self, n: int) -> None:
        how = ("finish writing", "stop reading", "close", "abort", "abort by reset")[n // ENDINGS % 5]
        if how not in ("abort", "abort by reset"):
            self.end_turn()  # written messages go before
        match how:
            case "finish writing":
                self.lease.shutdown_write()
                return
            case "stop reading":
                self.lease.shutdown_read()
            case "close":
                self.lease.close()
            case "abort":
                self.lease.abort()
            case _:
                self.lease.abort(by_reset=True)
        self.read_stopped = True

    def hear(self, _: int) -> None:
        kind, _id, *fields = self.reports.popleft()
        self.heard[kind](*fields)
        assert self.read_half.read <= self.read_half.limit, "input beyond the credit"
        if kind == SOCKET_CLOSE and not self.read_stopped and not self.broken_off:
            assert self.read_half.read == len(self.kernel.arrived), "the end before the last byte"
            assert self.kernel.fin_received or self.read_half.state is ReadState.BROKEN, "end-of-file without a FIN"

    # -- the socket service --

    def report(self, message: Message) -> None:
        kind = message[0]
        assert SOCKET_FORGET not in self.reported, f"{message} after SOCKET_FORGET"
        if kind in (SOCKET_DATA, SOCKET_MORE, SOCKET_CLOSE):
            assert SOCKET_CLOSE not in self.reported, f"{message} after CLOSE"
        self.reported.append(kind)
        self.reports.append(unpack(pack(message)))

    def serve(self, _: int) -> None:
        kind, _id, *fields = self.requests.popleft()
        if self.connection.state in OWNED:  # else it crossed the end
            self.perform(self.served[kind](*fields) or ())

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
            data = self.kernel.receive(self.connection.input.read_size)
        except OSError as error:
            self.perform(self.connection.end_of_input(error.errno or 0))
            return
        if not data:
            self.perform(self.connection.end_of_input())
        elif self.connection.received(len(data)):
            self.connection.input.deliver(self.connection.worker, data, more=n % 2 == 1)

    def hang_up(self, _: int) -> None:
        self.perform(self.connection.write_failed(self.kernel.take_error() or errno.ECONNRESET))

    def lose_patience(self, n: int) -> None:
        self.perform(self.connection.deadline_passed(undelivered=n // ENDINGS % 2 == 1))

    def perform(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            assert not self.freed, f"{effect.name} for a connection that is freed"
            match effect:
                case Effect.SEND_FIN:
                    assert not self.kernel.fin_sent
                    assert self.kernel.reset or self.peer.has_everything, "a clean end, but something is missing"
                    self.kernel.fin_sent = True
                case Effect.FORCE_RESET:
                    self.kernel.reset = True
                case Effect.AWAIT_ANSWER:
                    pass  # no owner takes that long here
                case Effect.AWAIT_FLUSH | Effect.AWAIT_END:
                    self.impatient = True
                case Effect.FREE:
                    assert self.kernel.fin_sent or self.kernel.reset, "the peer would take it for a clean end"
                    self.freed = True
                case _:
                    assert effect is Effect.LOG_LOST

    # -- the peer --

    def peer_reads(self, n: int) -> None:
        self.kernel.room += 100_000 if n > 240 else n // 4

    def peer_sends(self, n: int) -> None:
        start = len(self.kernel.arrived)
        self.kernel.arrived += bytes(position % 251 for position in range(start, start + 1 + n * 2))

    def peer_finishes(self, _: int) -> None:
        self.kernel.fin_received = True

    def peer_resets(self, n: int) -> None:
        self.kernel.reset = True
        self.kernel.error = (
            errno.EPIPE if self.kernel.fin_received else (errno.ECONNRESET, errno.ETIMEDOUT)[n // RESETS % 2]
        )

    # -- and in the end --

    def come_to_rest(self) -> None:
        self.kernel.room = PLENTY
        self.end_turn()
        for _ in range(LONGEST_REST):
            step = next(self.pending(), None)
            if step is None:
                return
            step(0)
        raise AssertionError("it never comes to rest")

    def finish(self) -> None:
        """Let the peer read on and finish, and the actor read to the end and close: nothing may be left, or missing."""
        self.come_to_rest()
        assert self.peer.has_everything or self.kernel.reset
        assert not self.write_half.unsent or not self.write_half.writable
        self.kernel.fin_received |= not self.kernel.reset
        for _ in range(LONGEST_REST):
            if self.lease.state is LeaseState.CLOSING or self.read_half.state is not ReadState.OPEN:
                break
            self.read(WINDOW)
            self.come_to_rest()
        assert self.read_half.state is not ReadState.OPEN, "the reader never meets the end"
        assert (
            self.input + self.read_half.buffer.read_all() == self.kernel.arrived or self.read_stopped or self.broken_off
        )
        self.lease.close()
        self.come_to_rest()
        assert self.freed
        assert self.connection.state is State.CLOSED
        assert self.reported.count(SOCKET_FORGET) == 1
        assert self.lease.descriptor is None
        assert self.peer.has_everything or self.kernel.reset


@settings(max_examples=600)
@given(st.binary(min_size=80, max_size=80))
def test_both_ends_keep_the_rules_of_the_lane(choices: bytes) -> None:
    ends = BothEnds()
    for which, n in zip(choices[::2], choices[1::2], strict=True):
        steps = list(ends.steps(n))
        if which and steps:  # 0 is left for steps that do not matter, so that a failure is shown with few
            step = steps[which % len(steps)]
            note(f"{step.__name__}({n})")
            step(n)
    ends.finish()
