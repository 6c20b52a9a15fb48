"""Batches in a byte stream: a header for each, then the packed messages.

The header holds the length of the body, the number of messages that take a descriptor, and the number of descriptors
that travel with the frame: a sender at its limit attaches fewer, and a receiver at its limit gets fewer. The counts
keep each descriptor with its message.
"""

from __future__ import annotations

import struct
from typing import Any, Final, NamedTuple

from skypy.core.errors import MalformedFrame
from skypy.core.wire.codec import pack, unpack

HEADER: Final = struct.Struct(">IBB")
_LARGEST_BODY_BYTES: Final = (1 << 32) - 1


class Frame(NamedTuple):
    """One batch that has arrived: its messages, how many take a descriptor, how many descriptors were attached."""

    messages: list[Any]
    descriptors: int
    attached: int


class FrameTooLarge(ValueError):
    """A batch is longer than the four bytes of its length can express."""


def encode(batch: list[Any], descriptors: int = 0) -> bytes:
    """Return the frame of a batch, with all its descriptors attached. Raises FrameTooLarge."""
    body = pack(batch)
    if len(body) > _LARGEST_BODY_BYTES:
        raise FrameTooLarge(f"{len(body)} bytes fit into no frame")
    return HEADER.pack(len(body), descriptors, descriptors) + body


def with_attached(frame: bytes | memoryview, attached: int) -> bytes:
    """Return a copy of a frame whose header says that `attached` descriptors travel with it."""
    length, descriptors, _ = HEADER.unpack_from(frame)
    return HEADER.pack(length, descriptors, attached) + frame[HEADER.size :]


class FrameDecoder:
    """A byte stream on its way to frames, in whatever pieces the stream arrives."""

    __slots__ = ("_pending",)

    def __init__(self) -> None:
        self._pending = bytearray()

    @property
    def pending_bytes(self) -> int:
        """The bytes of a frame that has not arrived whole."""
        return len(self._pending)

    def feed(self, data: memoryview) -> list[Frame]:
        """Return the frames that these bytes complete, in order. Raises MalformedFrame."""
        if not self._pending:
            frames, used = self._decode(data)
            if used < len(data):
                self._pending += data[used:]
            return frames
        self._pending += data
        if not self._has_frame():
            return []
        with memoryview(self._pending) as pending:
            frames, used = self._decode(pending)
        del self._pending[:used]
        return frames

    def _has_frame(self) -> bool:
        size = len(self._pending)
        return size >= HEADER.size and size >= HEADER.size + HEADER.unpack_from(self._pending)[0]

    @staticmethod
    def _decode(data: memoryview) -> tuple[list[Frame], int]:
        frames: list[Frame] = []
        used = 0
        while len(data) - used >= HEADER.size:
            length, descriptors, attached = HEADER.unpack_from(data, used)
            end = used + HEADER.size + length
            if end > len(data):
                break
            messages = unpack(data[used + HEADER.size : end])
            if not isinstance(messages, list):
                raise MalformedFrame(f"a frame holds {type(messages).__name__}, expected a list of messages")
            frames.append(Frame(messages, descriptors, attached))
            used = end
        return frames, used
