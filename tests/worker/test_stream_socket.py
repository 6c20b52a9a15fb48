"""A connection in its worker: its system calls, and the news of them for its lease."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections import deque
from collections.abc import Sequence
from typing import Any, cast

import pytest

from skypy.core.close_reason import CloseReason
from skypy.core.socket_address import SocketAddress
from skypy.core.tcp.read_half import ReadState
from skypy.core.wire.socket_lane import BREAK, HALF_SENT, HIGH, LOW, RETURN, SHUTDOWN, WRITE
from skypy.system.kernel import LINUX
from skypy.worker.actors.scheduler import Scheduler
from skypy.worker.sockets.direct_input import DirectInput
from skypy.worker.sockets.stream_socket import LARGEST_DIRECT_READ, StreamSocket
from tests.core.ends import DESCRIPTOR, ID, OWNER, Heard
from tests.worker.steps import run_iterations

pytestmark = pytest.mark.interpreted

Outcome = Any  # of a system call: what it returns, or an OSError that it raises


class Kernel:
    """System calls with outcomes that a test has set; a call without an outcome would block."""

    def __init__(self) -> None:
        self.outcomes: deque[Outcome] = deque()
        self.sizes: list[int] = []  # the size of each read
        self.written: list[Any] = []

    def read(self, descriptor: int, size: int) -> bytes:
        assert descriptor == DESCRIPTOR
        self.sizes.append(size)
        return cast(bytes, self._outcome())

    def write(self, descriptor: int, data: bytes) -> int:
        assert descriptor == DESCRIPTOR
        self.written.append(data)
        return cast(int, self._outcome())

    def writev(self, descriptor: int, buffers: Sequence[bytes]) -> int:
        return self.write(descriptor, cast(bytes, list(buffers)))

    def _outcome(self) -> Outcome:
        outcome = self.outcomes.popleft() if self.outcomes else BlockingIOError()
        if isinstance(outcome, OSError):
            raise outcome
        return outcome


def started(*, window: int = 100, descriptor: int | None = DESCRIPTOR) -> tuple[StreamSocket, Kernel, Heard]:
    """Make a socket that an actor has started, without the first credit in the list."""
    kernel, heard = Kernel(), Heard()
    nothing = cast(Any, None)
    peer = SocketAddress("127.0.0.1", 1)
    made = StreamSocket(ID, descriptor, window, heard.append, nothing, nothing, peer, cast(Any, kernel))
    made.lease.start(OWNER)
    heard.clear()
    return made, kernel, heard


def lent(*, window: int = 100) -> tuple[StreamSocket, Kernel, Heard]:
    """Make a socket to which the reading has been lent."""
    made, kernel, heard = started(window=window)
    assert made.lease.lent()
    return made, kernel, heard


# -- input --


def test_input_is_read_within_the_credit_that_the_actor_grants() -> None:
    made, kernel, heard = lent(window=100)
    kernel.outcomes += [bytes(60), bytes(30)]
    assert made.take_input()
    assert made.take_input()
    assert (kernel.sizes, made.read_half.read, made.read_half.buffer.size, heard) == ([100, 40], 90, 90, [])


def test_the_reading_is_returned_when_the_credit_is_used_up() -> None:
    made, kernel, heard = lent(window=100)
    kernel.outcomes.append(bytes(100))
    assert not made.take_input()
    assert heard == [(RETURN, ID, 100, 100, 0)]


def test_no_read_asks_for_more_than_is_good() -> None:
    made, kernel, _ = lent(window=1 << 20)
    made.take_input()
    assert kernel.sizes == [LARGEST_DIRECT_READ]


def test_no_input_yet_is_no_news() -> None:
    made, _, heard = lent()
    assert made.take_input()
    assert (made.read_half.state, heard) == (ReadState.LENT, [])


def test_the_end_of_input_is_left_to_the_socket_service() -> None:
    made, kernel, heard = lent()
    kernel.outcomes.append(b"")
    assert not made.take_input()
    assert (made.read_half.state, heard) == (ReadState.OPEN, [(RETURN, ID, 0, 100, 0)])


def test_an_errno_of_a_read_goes_along() -> None:
    made, kernel, heard = lent()
    kernel.outcomes.append(ConnectionResetError(errno.ECONNRESET, "reset"))
    assert not made.take_input()
    assert heard == [(RETURN, ID, 0, 100, errno.ECONNRESET)]


def test_a_socket_whose_reading_was_returned_meanwhile_reads_nothing() -> None:
    made, kernel, _ = lent()
    made.lease.pause()
    assert not made.take_input()
    assert kernel.sizes == []


def test_more_unread_bytes_than_the_limit_break_the_connection() -> None:
    made, kernel, heard = lent()
    made.unread_limit = 10
    kernel.outcomes += [bytes(10), bytes(1)]
    assert made.take_input()
    assert not made.take_input()
    assert heard == [(RETURN, ID, 11, 100, 0), (BREAK, ID, errno.EMSGSIZE, CloseReason.BUFFER_LIMIT)]


# -- output --


def test_all_corked_bytes_go_to_the_kernel_with_one_write() -> None:
    made, kernel, heard = started()
    for data in (b"abc", b"de"):
        made.write_half.corked.append(data, HIGH)
    kernel.outcomes.append(5)
    made.flush()
    made.flush()
    assert (kernel.written, heard) == ([b"abcde"], [])


def test_much_output_goes_to_the_kernel_in_its_pieces() -> None:
    made, kernel, heard = started()
    pieces = [bytes(40_000), bytes(40_000)]
    for piece in pieces:
        made.write_half.corked.append(piece, HIGH)
    kernel.outcomes.append(80_000)
    made.flush()
    assert (kernel.written, heard) == ([pieces], [])


def test_more_pieces_than_one_call_takes_are_written_by_more_calls() -> None:
    made, kernel, heard = started()
    for _ in range(1500):
        made.write_half.corked.append(bytes(100), HIGH)
    kernel.outcomes += [102_400, 47_600]
    made.flush()
    assert [len(written) for written in kernel.written] == [1024, 47_600]
    assert heard == []


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        (2, (WRITE, ID, 2, [(HALF_SENT, b"c"), (LOW, b"low")], 0)),
        (BlockingIOError(), (WRITE, ID, 0, [(HIGH, b"abc"), (LOW, b"low")], 0)),
        (
            ConnectionResetError(errno.ECONNRESET, "reset"),
            (WRITE, ID, 0, [(HIGH, b"abc"), (LOW, b"low")], errno.ECONNRESET),
        ),
    ],
    ids=["a part", "nothing", "an errno"],
)
def test_bytes_that_the_kernel_does_not_take_go_to_the_socket_service(outcome: Outcome, message: object) -> None:
    made, kernel, heard = started()
    made.write_half.corked.append(b"abc", HIGH)
    made.write_half.corked.append(b"low", LOW)
    kernel.outcomes.append(outcome)
    made.flush()
    assert heard == [message]
    made.write_half.corked.append(b"later", HIGH)
    made.flush()
    assert len(kernel.written) == 1, "written past the bytes that wait in the socket service"


def test_without_a_descriptor_all_output_goes_to_the_socket_service() -> None:
    made, kernel, heard = started(descriptor=None)
    made.write_half.corked.append(b"abc", HIGH)
    made.flush()
    assert (kernel.written, heard) == ([], [(WRITE, ID, 0, [(HIGH, b"abc")], 0)])


def test_finishing_comes_behind_the_corked_bytes() -> None:
    made, _, heard = started()
    made.write_half.corked.append(b"abc", HIGH)
    made.shutdown_write()
    assert heard.kinds() == [WRITE, SHUTDOWN]


# -- direct input --


def test_a_socket_is_watched_while_its_reading_is_lent(loop: asyncio.AbstractEventLoop) -> None:
    heard, nothing = Heard(), cast(Any, None)
    direct_input = DirectInput(LINUX, Scheduler(loop, LINUX.now, deque(), 1000))
    ours, peer = socket.socketpair()
    ours.setblocking(False)
    with ours, peer:
        made = StreamSocket(ID, ours.fileno(), 100, heard.append, loop, nothing, SocketAddress("127.0.0.1", 1), LINUX)
        made.lease.start(OWNER)
        heard.clear()
        assert made.lease.lent()
        direct_input.watch(made)
        peer.send(b"abc")
        run_iterations(loop)
        assert (made.read_half.buffer.size, heard) == (3, [])
        peer.shutdown(socket.SHUT_WR)
        run_iterations(loop)
        assert heard == [(RETURN, ID, 3, 100, 0)]
        direct_input.ignore(made)  # harmless: the end has dropped the socket already
