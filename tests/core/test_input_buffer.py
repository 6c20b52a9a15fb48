"""The unread bytes of a socket, however they came in pieces, against plain bytes."""

from __future__ import annotations

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from skypy.core.errors import BufferLimit
from skypy.core.tcp.input_buffer import InputBuffer

PLENTY = 1 << 20


def buffer(*pieces: bytes) -> InputBuffer:
    made = InputBuffer()
    for piece in pieces:
        made.feed(piece)
    return made


class Model:
    """A buffer that keeps its promises by searching all bytes every time."""

    def __init__(self) -> None:
        self.data = b""

    def read(self, count: int) -> bytes | None:
        if count > len(self.data):
            return None
        taken, self.data = self.data[:count], self.data[count:]
        return taken

    def read_line(self, separator: bytes, limit: int) -> bytes | None:
        end = self.data.find(separator)
        certain = end if end >= 0 else len(self.data) - len(separator) + 1  # the rest may begin a separator
        if certain > limit:
            raise BufferLimit
        if end < 0:
            return None
        line, self.data = self.data[:end], self.data[end + len(separator) :]
        return line


def outcome(of: InputBuffer | Model, separator: bytes, limit: int) -> bytes | str | None:
    try:
        return of.read_line(separator, limit)
    except BufferLimit:
        return "limit"


TEXT = b"ab\r\naab\n\na\r\n\r\nb\naaab\rab\nbba"
SEPARATORS = (b"\n", b"\r\n", b"a", b"ab", b"aab", b"aa")
LIMITS = (0, 1, 2, 3, 5, PLENTY, PLENTY)


@settings(max_examples=300)
@given(st.binary(min_size=50, max_size=50))
def test_any_use_of_it_equals_plain_bytes(choices: bytes) -> None:
    made = InputBuffer()
    model = Model()
    for use, n in zip(choices[::2], choices[1::2], strict=True):
        match use % 8:
            case 0 | 1:
                piece = TEXT[n % 16 :][: n // 16]
                note(f"feed {piece!r}")
                made.feed(piece)
                model.data += piece
            case 2:
                note(f"read {n % 16}")
                assert made.read(n % 16) == model.read(n % 16)
            case 3 if n < 64:
                note("clear")
                made.clear()
                model.data = b""
            case 3 if n < 128:
                note("read all")
                assert made.read_all() == model.read(len(model.data))
            case _:
                separator, limit = SEPARATORS[n % 6], LIMITS[n % 7]
                note(f"line {separator!r} {limit}")
                assert outcome(made, separator, limit) == outcome(model, separator, limit)
        assert made.size == len(model.data)
    assert made.read_all() == model.data


texts = st.text("ab\r\n", max_size=12).map(str.encode)
separators = st.sampled_from(SEPARATORS)


@given(st.lists(texts, max_size=20), separators)
def test_a_stream_has_the_same_lines_however_it_is_cut(pieces: list[bytes], separator: bytes) -> None:
    made = InputBuffer()
    lines = []
    for piece in pieces:
        made.feed(piece)
        while (line := made.read_line(separator, PLENTY)) is not None:
            lines.append(line)
    *expected, rest = b"".join(pieces).split(separator)
    assert lines == expected
    assert made.read_all() == rest


@settings(max_examples=50)
@given(st.lists(st.integers(0, 200_000), max_size=6), st.integers(1, 100_000), st.booleans())
def test_much_data_comes_out_as_it_went_in(sizes: list[int], count: int, by_lines: bool) -> None:
    pattern = bytes(number for number in range(256) if number != 10) + b"\n"
    stream = pattern * (sum(sizes) // len(pattern) + 1)
    made = InputBuffer()
    fed = 0
    taken = bytearray()
    for size in sizes:
        made.feed(stream[fed : fed + size])
        fed += size
        if by_lines:
            for _ in range(count // len(pattern)):
                if (line := made.read_line(b"\n", PLENTY)) is not None:
                    taken += line + b"\n"
        taken += made.read(count) or b""
    assert taken + made.read_all() == stream[:fed]


def test_an_empty_line_is_not_the_absence_of_one() -> None:
    made = buffer(b"\n\nx")
    assert [made.read_line(b"\n", PLENTY) for _ in range(3)] == [b"", b"", None]


def test_a_separator_may_arrive_in_two_pieces() -> None:
    made = buffer(b"ab\r")
    assert made.read_line(b"\r\n", PLENTY) is None
    made.feed(b"\nc")
    assert made.read_line(b"\r\n", PLENTY) == b"ab"
    assert made.read_all() == b"c"


def test_another_separator_is_searched_for_from_the_beginning() -> None:
    made = buffer(b"a;b")
    assert made.read_line(b"\n", PLENTY) is None
    assert made.read_line(b";", PLENTY) == b"a"


def test_another_separator_forgets_the_lines_of_the_first() -> None:
    made = buffer(b"1\n2;3\n4;5\n")
    assert made.read_line(b"\n", PLENTY) == b"1"
    assert made.read_line(b";", PLENTY) == b"2"
    assert made.read_line(b"\n", PLENTY) == b"3"


def test_a_separator_that_is_not_there_gives_no_line_of_another() -> None:
    made = buffer(b"1\n2\n3\n")
    assert [made.read_line(separator, PLENTY) for separator in (b"\n", b";", b";", b"\n")] == [b"1", None, None, b"2"]


def test_reading_bytes_between_lines_moves_the_lines_on() -> None:
    made = buffer(b"1\n2\n3\n4\n")
    assert made.read_line(b"\n", PLENTY) == b"1"
    assert made.read(1) == b"2"
    assert made.read_line(b"\n", PLENTY) == b""
    assert made.read_line(b"\n", PLENTY) == b"3"


def test_too_few_bytes_stay() -> None:
    made = buffer(b"abc")
    assert made.read(4) is None
    assert made.size == 3
    assert made.read(3) == b"abc"


@pytest.mark.parametrize("data", [b"abcdef", b"abcdef\n", b"x\nabcdef\ny\n"])
def test_a_line_beyond_the_limit_stays_whole_and_a_larger_limit_gets_it(data: bytes) -> None:
    made = buffer(data)
    if data.startswith(b"x"):
        assert made.read_line(b"\n", 1) == b"x"
    for _ in range(2):
        with pytest.raises(BufferLimit, match="the limit is 5"):
            made.read_line(b"\n", 5)
    made.feed(b"\n")
    assert made.read_line(b"\n", 6) == b"abcdef"


def test_a_line_as_long_as_the_limit_is_allowed() -> None:
    made = buffer(b"abc")
    assert made.read_line(b"\n", 3) is None
    made.feed(b"\n")
    assert made.read_line(b"\n", 3) == b"abc"


def test_bytes_that_may_begin_a_separator_do_not_count_for_the_limit() -> None:
    made = buffer(b"abc\r")
    assert made.read_line(b"\r\n", 3) is None
    made.feed(b"\r")
    with pytest.raises(BufferLimit):
        made.read_line(b"\r\n", 3)


def test_every_read_returns_bytes() -> None:
    made = buffer(b"piece ", b"by ", b"piece\nline\nrest")
    taken = [made.read(3), made.read_line(b"\n", PLENTY), made.read_line(b"\n", PLENTY), made.read_all()]
    assert taken == [b"pie", b"ce by piece", b"line", b"rest"]
    assert {type(part) for part in taken} == {bytes}


def test_a_lone_chunk_is_handed_on_without_a_copy() -> None:
    chunk = bytes(1000)
    assert buffer(chunk).read_all() is chunk


@pytest.mark.parametrize("by_lines", [True, False])
def test_consumed_bytes_do_not_pile_up_in_memory(by_lines: bool) -> None:
    made = buffer(b"never empty")
    for _ in range(1000):
        made.feed(bytes(1023) + b"\n")
        if by_lines:
            made.read_line(b"\n", PLENTY)
        else:
            made.read(1024)
        assert len(made._data) < 200_000
