"""Batches in a byte stream, however it arrives in pieces, and untrusted bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skypy.core.errors import MalformedFrame
from skypy.core.wire.codec import pack
from skypy.core.wire.frames import HEADER, MARK, Frame, FrameDecoder, FrameTooLarge, encode, with_attached

messages = st.binary(max_size=40).map(lambda data: [4, 7, data])
frames = st.builds(Frame, st.lists(messages, max_size=3), st.integers(0, 253), st.integers(0, 253))


def encoded(frame: Frame) -> bytes:
    return with_attached(encode(frame.messages, frame.descriptors), frame.attached)


def cut(stream: bytes, sizes: list[int]) -> list[bytes]:
    """The stream in pieces of these sizes, and what is left in one."""
    pieces = []
    for size in sizes:
        pieces.append(stream[:size])
        stream = stream[size:]
    return [*pieces, stream]


def decode(*pieces: bytes) -> list[Frame]:
    decoder = FrameDecoder()
    return [frame for piece in pieces for frame in decoder.feed(memoryview(piece))]


@given(st.lists(frames, max_size=4), st.lists(st.integers(0, 60), max_size=10))
def test_frames_arrive_whole_and_in_order_however_the_stream_is_cut(batches: list[Frame], sizes: list[int]) -> None:
    assert decode(*cut(b"".join(map(encoded, batches)), sizes)) == batches


def test_a_frame_is_given_as_soon_as_its_last_byte_is_there() -> None:
    first, second = encode([[1]]), encode([[2, b"x"]])
    decoder = FrameDecoder()
    given_at = [decoder.feed(memoryview(bytes([byte]))) for byte in first + second]
    assert given_at[len(first) - 1] == [Frame([[1]], 0, 0)]
    assert given_at[-1] == [Frame([[2, b"x"]], 0, 0)]
    assert sum(map(len, given_at)) == 2


def test_the_bytes_handed_in_may_be_overwritten_afterwards() -> None:
    stream = encode([[1, b"first"]]) + encode([[2, b"second"]])
    decoder = FrameDecoder()
    received = []
    memory = bytearray(7)
    for start in range(0, len(stream), len(memory)):
        piece = stream[start : start + len(memory)]
        memory[: len(piece)] = piece
        received += decoder.feed(memoryview(memory)[: len(piece)])
        memory[:] = b"\xff" * len(memory)
    assert [frame.messages for frame in received] == [[[1, b"first"]], [[2, b"second"]]]


def test_the_messages_of_a_frame_outlive_the_bytes_handed_in() -> None:
    memory = bytearray(encode([[1, b"bytes"]]))
    [frame] = FrameDecoder().feed(memoryview(memory))
    memory[:] = bytes(len(memory))
    assert frame.messages == [[1, b"bytes"]]


def test_a_sender_attaches_all_descriptors_unless_it_says_otherwise() -> None:
    frame = encode([["opened"], ["opened"]], 2)
    assert decode(frame) == [Frame([["opened"], ["opened"]], 2, 2)]
    assert decode(with_attached(frame, 1)) == [Frame([["opened"], ["opened"]], 2, 1)]
    assert decode(with_attached(memoryview(frame), 0)) == [Frame([["opened"], ["opened"]], 2, 0)]


def test_an_empty_batch_is_a_frame() -> None:
    assert decode(encode([])) == [Frame([], 0, 0)]


@pytest.mark.interpreted
def test_a_batch_whose_length_cannot_be_said_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = [[1, bytes(10)]]
    size = len(pack(batch))
    monkeypatch.setattr("skypy.core.wire.frames._LARGEST_BODY_BYTES", size)
    assert decode(encode(batch)) == [Frame(batch, 0, 0)]
    monkeypatch.setattr("skypy.core.wire.frames._LARGEST_BODY_BYTES", size - 1)
    with pytest.raises(FrameTooLarge, match=f"{size} bytes"):
        encode(batch)


def framed(body: bytes) -> bytes:
    return HEADER.pack(MARK, 0, 0, len(body)) + body


@pytest.mark.parametrize("body", [pack({"a": 1}), pack(b"bytes"), pack(7), pack(None)])
def test_a_body_that_is_no_list_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedFrame, match="expected a list"):
        decode(framed(body))


@pytest.mark.parametrize("body", [b"", pack([1])[:-1], pack([1]) + b"\0", b"\xc1"])
def test_a_body_that_is_not_exactly_one_value_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedFrame):
        decode(framed(body))


@given(st.binary(max_size=60) | st.binary(max_size=40).map(framed), st.lists(st.integers(0, 20), max_size=5))
def test_any_bytes_raise_nothing_but_malformed_frame(stream: bytes, sizes: list[int]) -> None:
    try:
        received = decode(*cut(stream, sizes))
    except MalformedFrame:
        return
    assert all(isinstance(frame.messages, list) for frame in received)
