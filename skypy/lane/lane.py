"""The lane: ordered messages, batched, with descriptors beside them, over a Unix-domain stream socket.

Both ends of every lane use the class Lane, which knows neither an event loop nor the meaning of the messages. Messages
collect in a batch until `flush`. Reading never waits for unsent output to leave, so lanes cannot deadlock.
"""

from __future__ import annotations

import array
import contextlib
import errno
import socket
from collections import deque
from collections.abc import Iterable
from typing import Any, Final

from skypy.core.errors import MalformedFrame
from skypy.core.wire.frames import FrameDecoder, FrameTooLarge, encode, with_attached
from skypy.core.wire.socket_lane import Message
from skypy.system.kernel import LINUX, Kernel

_SEND_BUFFER_BYTES: Final = 1048576
"""The size of the send buffer, so that a burst of data does not cost a wake-up per 100 KiB."""
_DESCRIPTORS_PER_CALL: Final = 253
"""The most that Linux passes with one sendmsg (SCM_MAX_FD)."""
_ENDED: Final = frozenset({errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN, errno.EBADF})
"""Errors of a write to a lane that has ended; EBADF: it was closed in this process."""
_NO_MEMORY: Final = frozenset({errno.ENOMEM, errno.ENOBUFS})
"""Errors of a read that has taken nothing: the kernel is out of memory for the moment, and the bytes wait."""
_TRUNCATED: Final = int(socket.MSG_CTRUNC)  # an operator of a member of IntFlag is a function in Python
_CLOSE_ON_EXEC: Final = int(socket.MSG_CMSG_CLOEXEC)
_ANCILLARY_BYTES: Final = socket.CMSG_SPACE(_DESCRIPTORS_PER_CALL * array.array("i").itemsize)


class LaneEnded(Exception):
    """The other process has closed the lane, and its last message has been read."""


def lane_pair() -> tuple[socket.socket, socket.socket]:
    """Return the sockets of the two ends of a new lane."""
    return LINUX.lane_pair()


class _Outgoing:
    """A sealed batch that waits to be sent; its descriptors go with its first byte."""

    __slots__ = ("data", "descriptors", "kept", "kernel")

    def __init__(self, data: bytes, descriptors: list[int], kernel: Kernel) -> None:
        self.data = memoryview(data)
        self.descriptors = descriptors
        self.kernel = kernel
        self.kept = False

    def keep_descriptors(self) -> None:
        """Duplicate the descriptors: their owner may close them before a full lane lets the batch through."""
        if self.descriptors and not self.kept:
            self.kept = True
            copies: list[int] = []
            with contextlib.suppress(OSError):  # EMFILE: this process is at its limit
                for descriptor in self.descriptors:
                    copies.append(self.kernel.duplicate(descriptor))  # noqa: PERF401 - keeps the ones before the error
            if len(copies) < len(self.descriptors):
                self.data = memoryview(with_attached(self.data, len(copies)))
            self.descriptors = copies

    def detach_descriptors(self) -> None:
        """Let the batch go without its descriptors, as if the receiver were at its limit."""
        self.data = memoryview(with_attached(self.data, 0))
        self.release_descriptors()

    def release_descriptors(self) -> None:
        """Close the duplicates that `keep_descriptors` has made."""
        if self.kept:
            for descriptor in self.descriptors:
                self.kernel.close(descriptor)
        self.descriptors = []


class Lane:
    """One end of a lane. It owns its socket, and the descriptors that have arrived and have not been taken yet."""

    def __init__(self, socket_: socket.socket, kernel: Kernel = LINUX) -> None:
        socket_.setblocking(False)
        socket_.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        self._socket = socket_
        self._kernel = kernel
        self._batch: list[Message] = []
        self._batch_descriptors: list[int] = []
        self._outgoing: deque[_Outgoing] = deque()
        self._decoder = FrameDecoder()
        self._groups: deque[list[int]] = deque()  # of descriptors, one for each batch that announces some
        self._descriptors: deque[int | None] = deque()
        self._buffer = memoryview(bytearray(kernel.lane_receive_bytes))
        self.unsent = 0
        """Bytes of sealed batches that the kernel has not taken yet."""
        self.send = self._batch.append
        """Add a message to the batch, which `flush` sends."""

    def send_all(self, messages: Iterable[Any]) -> None:
        """Add messages to the batch."""
        self._batch.extend(messages)

    def fileno(self) -> int:
        """Return the descriptor of the socket, for an event loop to watch."""
        return self._socket.fileno()

    def wait(self, seconds: float | None = None) -> None:
        """Block until input has arrived, or there is room for unsent output; for at most `seconds`, if given.

        Does not block once the lane is closed.
        """
        if self._socket.fileno() >= 0:
            self._kernel.wait(self._socket.fileno(), writable=not self.idle, seconds=seconds)

    @property
    def idle(self) -> bool:
        """True if nothing waits to be sent."""
        return not self._batch and not self._outgoing

    def send_with_descriptor(self, message: Message, descriptor: int) -> None:
        """Add a message whose receiver gets a duplicate of `descriptor`, which must stay open until `flush`."""
        self._batch.append(message)
        self._batch_descriptors.append(descriptor)
        if len(self._batch_descriptors) == _DESCRIPTORS_PER_CALL:
            self._seal()

    def flush(self) -> bool:
        """Send as much as the kernel takes; return True if nothing is left. A lane that has ended takes everything."""
        if self._batch:
            self._seal()
        while self._outgoing:
            first = self._outgoing[0]
            try:
                sent = self._send(first)
            except OSError as error:
                if error.errno in _ENDED:  # the end is acted on by the reader, after the last message
                    self._drop_output()
                    return True
                if error.errno == errno.ETOOMANYREFS:  # too many descriptors of this user are in transit
                    first.detach_descriptors()
                    continue
                for outgoing in self._outgoing:
                    outgoing.keep_descriptors()
                return False
            self.unsent -= sent
            first.release_descriptors()
            if sent == len(first.data):
                self._outgoing.popleft()
            else:
                first.data = first.data[sent:]
        return True

    def receive(self) -> list[Any]:
        """Return the messages that have arrived whole, often none. Raises LaneEnded, MalformedFrame."""
        try:
            count, ancillary, flags, _ = self._socket.recvmsg_into([self._buffer], _ANCILLARY_BYTES, _CLOSE_ON_EXEC)
        except BlockingIOError:
            return []
        except OSError as error:
            if error.errno in _NO_MEMORY:
                return []
            raise LaneEnded from error  # the peer died with messages unread; all that it had sent was read before
        if not count:
            raise LaneEnded
        if ancillary or flags & _TRUNCATED:
            self._groups.append(_descriptors_of(ancillary))
        messages: list[Any] = []
        for frame in self._decoder.feed(self._buffer[:count]):
            if frame.descriptors:
                group = self._groups.popleft() if frame.attached and self._groups else []
                self._descriptors += group
                self._descriptors += [None] * (frame.descriptors - len(group))
            messages = messages + frame.messages if messages else frame.messages
        return messages

    def receive_rest(self) -> list[Any]:
        """Return all messages that a process that has died has left here: it sends no more."""
        messages: list[Any] = []
        pending = -1
        with contextlib.suppress(LaneEnded, MalformedFrame):
            while True:
                received = self.receive()
                if not received and self._decoder.pending_bytes == pending:
                    break  # nothing has come, and the end neither: another process has a copy of the descriptor
                pending = self._decoder.pending_bytes
                messages += received
        return messages

    def take_descriptor(self) -> int | None:
        """Return the descriptor of the next +fd message; None if a process was at its limit and it is missing."""
        return self._descriptors.popleft() if self._descriptors else None

    def close(self) -> None:
        """Close the socket, and the descriptors that have not been taken."""
        self._drop_output()
        for descriptor in [*self._descriptors, *(one for group in self._groups for one in group)]:
            if descriptor is not None:
                self._kernel.close(descriptor)
        self._descriptors.clear()
        self._groups.clear()
        self._socket.close()

    def _seal(self) -> None:
        """Turn the batch into frames. If there is no memory for that, the batch stays and MemoryError is raised."""
        batch, descriptors = self._batch, self._batch_descriptors
        try:
            frames = [encode(batch, len(descriptors))]
        except (FrameTooLarge, MemoryError):  # each message alone may fit; the descriptors come with the first
            frames = [encode([message], 0 if place else len(descriptors)) for place, message in enumerate(batch)]
        for data in frames:
            self._outgoing.append(_Outgoing(data, descriptors, self._kernel))
            self.unsent += len(data)
            descriptors = []
        batch.clear()
        self._batch_descriptors = []

    def _send(self, outgoing: _Outgoing) -> int:
        if not outgoing.descriptors:
            return self._socket.send(outgoing.data)
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", outgoing.descriptors))
        return self._socket.sendmsg([outgoing.data], [rights])

    def _drop_output(self) -> None:
        self._batch.clear()
        self._batch_descriptors = []
        while self._outgoing:
            self._outgoing.popleft().release_descriptors()
        self.unsent = 0


def _descriptors_of(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    received = array.array("i")
    for _, _, data in ancillary:
        received.frombytes(data[: len(data) - len(data) % received.itemsize])
    return received.tolist()
