"""What lies outside of skypy while a socket changes hands, as a model: the kernel, the peer, and who waits for what.

The kernel takes any part of a write, tells a reset once, to whoever asks first, and keeps every byte that had arrived
before it.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import Any

_HEAD = 7


class Peer:
    """Reads the output as it comes: whole messages, each once, those of a writer and a priority in their order."""

    def __init__(self) -> None:
        self.received: set[bytes] = set()
        self._written: dict[bytes, bytes] = {}  # by head: the writer, a letter for the priority, and a number
        self._last: dict[bytes, bytes] = {}
        self._unparsed = b""

    def message(self, writer: int, letter: str, size: int) -> bytes:
        """A message that somebody writes; its bytes say which it is and where it ends."""
        head = f"{writer}{letter}{len(self._written):05}".encode()
        self._written[head] = message = head.ljust(size, letter.lower().encode())
        return message

    def receive(self, data: bytes) -> None:
        self._unparsed += data
        while len(self._unparsed) >= _HEAD:
            head = self._unparsed[:_HEAD]
            message = self._written.get(head)
            assert message is not None, f"{head!r} is the head of no message"
            assert message.startswith(self._unparsed[: len(message)]), f"other bytes inside of {head!r}"
            if len(self._unparsed) < len(message):
                return
            self._unparsed = self._unparsed[len(message) :]
            last = self._last.get(head[:2], b"")
            assert last < head, f"{head!r} after {last!r}"
            self._last[head[:2]] = head
            self.received.add(message)

    @property
    def between_messages(self) -> bool:
        return not self._unparsed


class Kernel:
    """One TCP connection: what was given to it, what it still takes, what has arrived, and how it ended."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.room = 0
        self.arrived = bytearray()  # all input there ever was
        self.consumed = 0
        self.fin_sent = False
        self.fin_received = False
        self.reset = False
        self.error = 0

    def send(self, buffers: Sequence[bytes | memoryview]) -> int:
        """Raises what a real one raises."""
        assert not self.fin_sent, "a write behind our FIN"
        if self.reset:
            self._tell_error()
            raise BrokenPipeError(errno.EPIPE, "both halves have ended")
        data = b"".join(buffers)[: self.room]
        if not data:
            raise BlockingIOError
        self.room -= len(data)
        self.peer.receive(data)
        return len(data)

    def receive(self, size: int) -> bytes:
        """Raises what a real one raises."""
        data = bytes(self.arrived[self.consumed : self.consumed + size])
        self.consumed += len(data)
        if not data and not self.fin_received:
            self._tell_error()
            if not self.reset:
                raise BlockingIOError
        return data

    def take_error(self) -> int:
        """SO_ERROR."""
        error, self.error = self.error, 0
        return error

    def be_reset(self) -> None:
        """The peer resets the connection."""
        self.reset = True
        self.error = errno.EPIPE if self.fin_received else errno.ECONNRESET

    @property
    def readable(self) -> bool:
        return self.consumed < len(self.arrived) or self.fin_received or self.reset

    def _tell_error(self) -> None:
        error = self.take_error()
        if error:
            raise OSError(error, "told once")


class Wait:
    """Who waits for something, and what came of it."""

    def __init__(self, before: Sequence[bytes] = ()) -> None:
        self.before = before
        """The messages that were written before."""
        self.error: BaseException | None = None
        self._done = False

    def done(self) -> bool:
        return self._done

    def set_result(self, value: Any, /) -> None:
        assert not self._done, "woken twice"
        del value
        self._done = True

    def set_exception(self, exception: BaseException, /) -> None:
        self.set_result(None)
        self.error = exception

    @property
    def succeeded(self) -> bool:
        return self._done and self.error is None
