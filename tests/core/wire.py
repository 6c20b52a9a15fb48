"""What lies between both ends of a socket and its peer, as a model: the kernel's side of one connection, and a reader.

The kernel takes any part of a write, tells a reset once, to whoever asks first, and keeps every byte that had arrived
before it. A reset before the peer's end-of-file looks like one to whoever asks second.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence

_HEAD = 6


class Peer:
    """Reads the output as it comes: whole messages, each once, those of a priority in the order of their writing."""

    def __init__(self) -> None:
        self.accepted: dict[bytes, bytes] = {}  # by head: a letter for the priority, and a number
        self.received: list[bytes] = []
        self._unparsed = b""

    def message(self, letter: str, size: int) -> bytes:
        """A message that the actor has written; its bytes say which it is and where it ends."""
        head = f"{letter}{len(self.accepted):05}".encode()
        self.accepted[head] = message = head.ljust(size, letter.lower().encode())
        return message

    def receive(self, data: bytes) -> None:
        self._unparsed += data
        while len(self._unparsed) >= _HEAD:
            head = self._unparsed[:_HEAD]
            message = self.accepted.get(head)
            assert message is not None, f"{head!r} is the head of no message"
            assert message.startswith(self._unparsed[: len(message)]), f"other bytes inside of {head!r}"
            if len(self._unparsed) < len(message):
                break
            self._unparsed = self._unparsed[len(message) :]
            earlier = [other for other in self.received if other[:1] == head[:1]]
            assert not earlier or earlier[-1] < head, f"{head!r} after {earlier[-1]!r}"
            self.received.append(head)

    @property
    def between_messages(self) -> bool:
        return not self._unparsed

    @property
    def has_everything(self) -> bool:
        return self.between_messages and set(self.received) == set(self.accepted)


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

    @property
    def readable(self) -> bool:
        return self.consumed < len(self.arrived) or self.fin_received or self.reset

    def _tell_error(self) -> None:
        error = self.take_error()
        if error:
            raise OSError(error, "told once")
