"""The people outside of skypy while a socket changes hands: the peer, and the tasks that wait."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_HEAD = 7


class Peer:
    """A reader of the output: whole messages, each once, those of a writer and a priority in their order."""

    def __init__(self) -> None:
        self.received: set[bytes] = set()
        self._written: dict[bytes, bytes] = {}  # by head: the writer, a letter for the priority, and a number
        self._last: dict[bytes, bytes] = {}
        self._unparsed = b""
        self._before: dict[bytes, frozenset[bytes]] = {}  # by message: those that happened before it
        self._after: set[bytes] = set()  # messages that may not come any more: one that they happened before has come

    def happened_before(self, message: bytes, earlier: set[bytes]) -> None:
        """Note what has happened before a message of the same priority was written."""
        self._before[message] = frozenset(other for other in earlier if other[1:2] == message[1:2])

    def message(self, writer: int, letter: str, size: int) -> bytes:
        """Make a message for a writer; its bytes say which message it is and where it ends."""
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
            assert message not in self._after, f"{head!r} happened before a message that has come already"
            self._after |= self._before.get(message, frozenset()) - self.received
            self.received.add(message)

    @property
    def between_messages(self) -> bool:
        return not self._unparsed


class Wait:
    """A wait of a task, and its outcome."""

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
