"""The queue of lines that wait to be written to the log."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from skypy.core.log_queue import LONGEST_ATOMIC_WRITE_BYTES, LogQueue

LIMIT = 3 * LONGEST_ATOMIC_WRITE_BYTES


def loss_line(count: int) -> bytes:
    return b"lost %d\n" % count


def everything(queue: LogQueue) -> bytes:
    """Take all there is, as a file without limits does."""
    taken = b""
    while piece := queue.next_piece():
        taken += piece
        queue.written(len(piece))
    return taken


def test_a_new_queue_has_nothing_to_write() -> None:
    queue = LogQueue(LIMIT, loss_line)
    assert not queue
    assert queue.next_piece() == b""


def test_a_piece_is_as_many_whole_lines_as_a_pipe_takes_at_once() -> None:
    queue = LogQueue(LIMIT, loss_line)
    queue.put(b"x" * 1000 + b"\n" + b"y" * 3000 + b"\n" + b"z" * 3000 + b"\n")
    assert queue.next_piece() == b"x" * 1000 + b"\n" + b"y" * 3000 + b"\n"


def test_a_longer_line_is_a_piece_by_itself() -> None:
    queue = LogQueue(LIMIT, loss_line)
    queue.put(b"x" * 5000 + b"\n" + b"y\n")
    assert queue.next_piece() == b"x" * 5000 + b"\n"


def test_the_rest_of_a_line_comes_before_everything_else() -> None:
    queue = LogQueue(LIMIT, loss_line)
    queue.put(b"first\n")
    queue.next_piece()
    queue.written(3)
    queue.put(b"second\n")
    assert everything(queue) == b"st\nsecond\n"


def test_lines_without_room_are_dropped_until_half_of_it_is_free_and_counted_in_their_place() -> None:
    queue = LogQueue(LIMIT, loss_line)
    line = b"x" * 4095 + b"\n"
    for _ in range(4):
        queue.put(line)
    queue.put(b"two\nlines\n")
    assert queue.next_piece() == line
    queue.written(len(line))
    queue.put(b"dropped as well\n")  # there is room, but not for long
    assert everything(queue) == line + line + loss_line(4)
    queue.put(b"kept\n")
    assert everything(queue) == b"kept\n"
    assert not queue


def test_one_entry_has_room_however_large_it_is() -> None:
    queue = LogQueue(LIMIT, loss_line)
    queue.put(b"x" * LIMIT + b"y\n")
    assert queue.clear() == 1


def test_a_new_file_begins_with_the_whole_of_a_line_that_the_old_one_has_in_part() -> None:
    queue = LogQueue(LIMIT, loss_line)
    queue.put(b"first\nsecond\n")
    queue.next_piece()
    queue.written(9)
    queue.begin_file()
    assert everything(queue) == b"second\n"


def test_a_torn_line_that_the_file_ends_with_is_ended_before_anything_else() -> None:
    queue = LogQueue(LIMIT, loss_line)
    queue.put(b"first\nsecond\n")
    queue.next_piece()
    queue.written(6)
    queue.end_torn_line()
    assert everything(queue) == b"\nsecond\n"


def test_clearing_counts_the_lines_that_were_not_written_whole() -> None:
    queue = LogQueue(LIMIT, loss_line)
    queue.put(b"first\nsecond\nthird\n")
    queue.put(b"x" * LIMIT + b"\n")
    queue.next_piece()
    queue.written(9)
    assert queue.clear() == 3
    assert not queue


lines = st.binary(max_size=6000).map(lambda text: text.replace(b"\n", b"-"))


@given(st.lists(st.one_of(st.lists(lines, min_size=1, max_size=3), st.integers(0, 1 << 20)), max_size=60))
def test_each_line_is_written_whole_and_in_order_or_counted(steps: list[list[bytes] | int]) -> None:
    queue = LogQueue(LIMIT, loss_line)
    number = 0
    taken = b""
    for step in steps:
        if isinstance(step, int):  # a write that takes a part of a piece
            piece = queue.next_piece()
            count = min(len(piece), step % (LONGEST_ATOMIC_WRITE_BYTES + 1))
            if count:
                taken += piece[:count]
                queue.written(count)
        else:
            entry = b""
            for text in step:
                entry += b"%d %s\n" % (number, text)
                number += 1
            queue.put(entry)
    taken += everything(queue)
    expected = 0
    for line in taken.split(b"\n")[:-1]:
        if lost := re.fullmatch(rb"lost (\d+)", line):
            expected += int(lost[1])
        else:
            assert line.startswith(b"%d " % expected)
            expected += 1
    assert expected == number
