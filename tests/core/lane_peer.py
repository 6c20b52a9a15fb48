"""A peer that reads what one owner writes, and holds it to its promises."""

from __future__ import annotations

_HEAD = 6


class Peer:
    """A reader of the output: whole messages, each once, those of a priority in the order of their writing."""

    def __init__(self) -> None:
        self.accepted: dict[bytes, bytes] = {}  # by head: a letter for the priority, and a number
        self.received: list[bytes] = []
        self._unparsed = b""

    def message(self, letter: str, size: int) -> bytes:
        """Make a message for the actor; its bytes say which message it is and where it ends."""
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
