"""Batches in a byte stream: a header for each, then the packed messages.

The header holds a mark, the number of messages that take a descriptor, the number of descriptors that travel with the
frame, and the length of the body. A sender at its limit attaches fewer descriptors, and a receiver at its limit gets
fewer: the counts keep each descriptor with its message. By the mark, bytes that strayed into the stream are known at
once; without it they would be taken for a length, and that many bytes would be waited for.
"""

from __future__ import annotations

import struct
from typing import Any, Final, NamedTuple

from skypy.core.errors import MalformedFrame
from skypy.core.wire.codec import pack, unpack

HEADER: Final = struct.Struct(">2sBBI")
MARK: Final = b"\xc1\x5b"
"""The beginning of each header. msgpack never uses the first byte, and no text in UTF-8 begins with it."""
_FIRST_OF_MARK: Final = MARK[0]
_LARGEST_BODY_BYTES: Final = (1 << 31) - 1


class Frame(NamedTuple):
    """One batch that has arrived: its messages, how many take a descriptor, how many descriptors were attached."""

    messages: list[Any]
    descriptors: int
    attached: int


class FrameTooLarge(ValueError):
    """A batch is longer than any frame."""


def encode(batch: list[Any], descriptors: int = 0) -> bytes:
    """Return the frame of a batch, with all its descriptors attached. Raises FrameTooLarge."""
    body = pack(batch)
    if len(body) > _LARGEST_BODY_BYTES:
        raise FrameTooLarge(f"{len(body)} bytes fit into no frame")
    return HEADER.pack(MARK, descriptors, descriptors, len(body)) + body


def with_attached(frame: bytes | memoryview, attached: int) -> bytes:
    """Return a copy of a frame whose header says that `attached` descriptors travel with it."""
    mark, descriptors, _, length = HEADER.unpack_from(frame)
    return HEADER.pack(mark, descriptors, attached, length) + frame[HEADER.size :]


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
        return size >= HEADER.size and size >= HEADER.size + _checked_header(self._pending, 0)[2]

    @staticmethod
    def _decode(data: memoryview) -> tuple[list[Frame], int]:
        frames: list[Frame] = []
        used = 0
        while len(data) - used >= HEADER.size:
            descriptors, attached, length = _checked_header(data, used)
            end = used + HEADER.size + length
            if end > len(data):
                return frames, used
            messages = unpack(data[used + HEADER.size : end])
            if not isinstance(messages, list):
                raise MalformedFrame(f"a frame holds {type(messages).__name__}, expected a list of messages")
            frames.append(Frame(messages, descriptors, attached))
            used = end
        if used < len(data) and data[used] != _FIRST_OF_MARK:
            raise MalformedFrame(f"no frame begins with the bytes {bytes(data[used:])!r}")
        return frames, used


def _checked_header(data: memoryview | bytearray, at: int) -> tuple[int, int, int]:
    """Return the three numbers of a header. Raises MalformedFrame for bytes that are no header of a frame."""
    mark, descriptors, attached, length = HEADER.unpack_from(data, at)
    if mark != MARK or length > _LARGEST_BODY_BYTES:
        raise MalformedFrame(f"no frame begins with the bytes {bytes(data[at : at + HEADER.size])!r}")
    return descriptors, attached, length
