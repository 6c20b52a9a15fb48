"""Values to bytes and back; bytes from elsewhere are untrusted until they have been unpacked."""

from __future__ import annotations

import math
import os
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skypy.core.errors import MalformedFrame, SkypyError
from skypy.core.wire.codec import pack, unpack

texts = st.text("a\0\u00e9\u20ac\U0001f600", max_size=8)
scalars = (
    st.sampled_from([None, True, False])
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.floats(allow_nan=False)
    | texts
    | st.binary(max_size=8)
)
keys = st.integers(-(1 << 63), (1 << 64) - 1) | texts | st.binary(max_size=5)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=6
)


@given(values)
def test_plain_values_come_back_as_they_were(value: Any) -> None:
    back = unpack(pack(value))
    assert back == value
    assert type(back) is type(value)
    assert unpack(memoryview(bytearray(pack(value)))) == value


def test_not_a_number_stays_one() -> None:
    assert math.isnan(unpack(pack(math.nan)))


def test_tuples_come_back_as_lists_and_text_and_bytes_stay_apart() -> None:
    assert unpack(pack((1, ("a", b"a"), {1: (2,)}))) == [1, ["a", b"a"], {1: [2]}]


@pytest.mark.parametrize("value", [object(), {1, 2}, 1j, print, [1, object()], {"key": object()}])
def test_a_value_that_is_not_plain_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        pack(value)


@pytest.mark.parametrize("value", [[1, "x" * 1000, object()], [1, 1 << 64]])
def test_a_value_that_was_refused_leaves_nothing_behind(value: Any) -> None:
    with pytest.raises((TypeError, ValueError, OverflowError)):
        pack(value)
    assert pack(1) == b"\x01"


def test_a_text_that_utf_8_cannot_express_arrives_as_it_was() -> None:
    for text in ("\ud800", os.fsdecode(b"/a file \xff"), "\udfff\u1234"):
        assert unpack(pack([1, {"name": text}])) == [1, {"name": text}]


# -- untrusted bytes --


@given(st.binary(max_size=60))
def test_random_bytes_are_a_value_or_malformed(data: bytes) -> None:
    try:
        unpack(data)
    except MalformedFrame:
        return


@given(values, st.integers(0, 1 << 20), st.integers(0, 255))
def test_a_value_that_was_damaged_is_another_value_or_malformed(value: Any, place: int, byte: int) -> None:
    packed = bytearray(pack(value))
    packed[place % len(packed)] = byte
    try:
        unpack(bytes(packed))
    except MalformedFrame:
        return


@given(values, st.integers(0, 1 << 20), st.binary(min_size=1, max_size=5))
def test_a_value_that_was_cut_or_has_more_behind_it_is_malformed(value: Any, place: int, more: bytes) -> None:
    packed = pack(value)
    with pytest.raises(MalformedFrame):
        unpack(packed[: place % len(packed)])
    with pytest.raises(MalformedFrame):
        unpack(packed + more)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\xc1", id="a byte that means nothing"),
        pytest.param(b"\xa1\xff", id="text that is not UTF-8"),
        pytest.param(b"\x81\x90\x01", id="a list as a key"),
        pytest.param(b"\xdd" + b"\xff" * 4, id="a list of four billion values"),
        pytest.param(b"\xdf" + b"\xff" * 4, id="a dict of four billion values"),
        pytest.param(b"\xc6" + b"\xff" * 4 + b"x", id="four billion bytes"),
        pytest.param(b"\x91" * 100_000, id="lists in lists without end"),
        pytest.param(b"\x81\x01" * 100_000, id="dicts in dicts without end"),
        pytest.param(b"\xc7\x0c\xff" + b"\xff" * 12, id="a time with too many nanoseconds"),
        pytest.param(b"\xc7\x05\xff" + b"\xff" * 5, id="a time of five bytes"),
        pytest.param(b"\xdd" + struct.pack(">I", 1 << 20) + b"\xc0", id="a list that ends early"),
    ],
)
def test_hostile_bytes_are_malformed(data: bytes) -> None:
    with pytest.raises(MalformedFrame):
        unpack(data)


def test_a_malformed_frame_is_one_of_our_errors_and_keeps_its_cause() -> None:
    with pytest.raises(SkypyError, match="1 bytes are not a message") as raised:
        unpack(b"\xc1")
    assert isinstance(raised.value.__context__, ValueError)
