"""The output of a worker's connections: waits for output to leave, warnings, and how much may wait."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

import pytest

from skypy.core.causal.fence import Fence
from skypy.core.close_reason import CloseReason
from skypy.core.output_marks import OutputMarks, marked
from skypy.core.tcp.lease import Lease, LeaseState
from skypy.core.tcp.leases import Leases
from skypy.core.tcp.write_half import FIRST_WARNING
from skypy.core.wire.socket_lane import BREAK, CLOSE, HIGH, RECEIPT, Message
from tests.core.ends import DESCRIPTOR, ID, Heard

pytestmark = pytest.mark.interpreted


class Stuck:
    """A socket whose kernel takes nothing."""

    def __init__(self, send: Callable[[Message], None]) -> None:
        self.id = ID
        self.lease = Lease(ID, DESCRIPTOR, 100, send)
        self.write_half = self.lease.write_half
        self.origin = ("peer", 1), None, False

    def flush(self) -> None:
        if self.write_half.corked.size:
            self.lease.forward_output()

    def shutdown_write(self) -> None:
        self.flush()
        self.lease.shutdown_write()


class Waits:
    """A wait until a connection is drained."""

    def done(self) -> bool:
        return False

    def set_result(self, value: Any, /) -> None:
        pass

    def set_exception(self, exception: BaseException, /) -> None:
        pass


class World:
    """A worker with one connection."""

    def __init__(self, *, high_water: int = 8, low_water: int = 4, write_limit: int = 1 << 40) -> None:
        self.heard = Heard()
        self.woken: list[Any] = []
        self.backlog: list[int] = []
        self.leases: Leases[Stuck, Waits] = Leases(
            self.heard.append,
            lambda: None,
            self.woken.append,
            high_water=high_water,
            low_water=low_water,
            write_limit=write_limit,
            warn=lambda _, unsent: self.backlog.append(unsent),
            fence=Fence(1),
            marks=OutputMarks([0] * 3),
        )
        self.socket = self.leases.own[ID] = Stuck(self.heard.append)

    def flush(self) -> None:
        """End a turn."""
        for socket in self.leases.take_dirty():
            socket.flush()
            self.leases.flushed(socket)


def test_a_wait_for_output_to_leave_ends_at_the_low_mark() -> None:
    world = World(high_water=8, low_water=4)
    world.leases.write(ID, bytes(10), HIGH)
    world.flush()
    waits = Waits()
    world.socket.write_half.drainers += (waits,)
    for position in (3, 6):  # 7 and 4 bytes are left
        world.leases.progressed(world.socket, position)
        assert world.woken == []
    world.leases.progressed(world.socket, 7)
    assert world.woken == [waits]


def test_a_low_mark_above_the_high_one_is_the_high_one() -> None:
    world = World(high_water=4, low_water=100)
    world.leases.write(ID, bytes(10), HIGH)
    world.flush()
    world.socket.write_half.drainers += (Waits(),)
    world.leases.progressed(world.socket, 6)
    assert world.woken == []
    world.leases.progressed(world.socket, 7)
    assert len(world.woken) == 1


@pytest.mark.parametrize("size", [11, 1000])
def test_a_write_beyond_the_limit_is_refused_and_ends_the_connection(size: int) -> None:
    world = World(write_limit=10)
    assert world.leases.write(ID, bytes(10), HIGH)
    world.flush()
    assert not world.leases.write(ID, bytes(size - 10), HIGH)
    assert world.heard[-1] == (BREAK, ID, errno.ENOBUFS, CloseReason.WRITE_LIMIT)
    assert world.socket.lease.state is LeaseState.BREAKING
    assert not world.leases.write(ID, b"more", HIGH)


def test_a_backlog_is_told_at_each_doubling_and_once_it_is_gone() -> None:
    world = World()
    for _ in range(4):
        world.leases.write(ID, bytes(FIRST_WARNING), HIGH)
        world.flush()
    assert world.backlog == [FIRST_WARNING, 2 * FIRST_WARNING, 4 * FIRST_WARNING]
    world.leases.progressed(world.socket, 3 * FIRST_WARNING)
    assert len(world.backlog) == 3
    world.leases.progressed(world.socket, 4 * FIRST_WARNING)
    assert world.backlog[3:] == [0]


def test_an_actor_that_waits_above_the_high_mark_gets_no_warning() -> None:
    world = World(high_water=FIRST_WARNING)
    world.leases.write(ID, bytes(2 * FIRST_WARNING - 1), HIGH)
    world.flush()
    assert world.backlog == []
    world.leases.write(ID, b"x", HIGH)
    world.flush()
    assert world.backlog == [2 * FIRST_WARNING]


# -- ends that wait for messages that come back ------------------------------------------------------------------------


def test_a_close_waits_for_messages_that_come_back() -> None:
    world = World()
    world.leases.foreign.returning[ID] = 1
    world.leases.close(world.socket)
    assert CLOSE not in world.heard.kinds()
    assert world.leases.sent_by([ID], 1, 1, 1, [(HIGH, b"back")]) == 0
    assert world.heard.kinds()[-1] == CLOSE


def test_a_close_that_waits_goes_out_behind_the_end_of_the_connection() -> None:
    world = World()
    world.leases.foreign.returning[ID] = 1
    world.leases.close(world.socket)
    assert world.leases.forget(ID) is world.socket
    assert world.heard.kinds() == [CLOSE]
    assert world.leases.settled


def test_nothing_is_written_behind_an_end_of_this_worker_that_comes_back() -> None:
    world = World()
    del world.leases.own[ID]
    world.leases.take_over(ID, Waits())
    world.leases.foreign.end(ID, "w")
    world.leases.own[ID] = world.socket
    assert not world.leases.write(ID, b"late", HIGH)
    world.leases.shutdown_write(world.socket)
    world.leases.ended_by(ID, 1, 1, 1)
    assert not world.leases.foreign.returning
    assert not world.socket.write_half.writable


def test_a_socket_is_marked_from_its_first_message_until_all_output_has_left() -> None:
    world = World()
    marks = world.leases.marks
    assert marked(marks.numbers) == frozenset()
    world.leases.write(ID, b"one", HIGH)
    world.leases.write(ID, b"two", HIGH)
    assert (marked(marks.numbers), marks.count, marks.corked) == ({ID}, 1, True)
    world.flush()
    assert marked(marks.numbers) == {ID}  # its rest may wait in the lane: the worker clears the marks
    marks.clear()
    assert ID not in marked(marks.numbers)


def test_more_sockets_than_can_be_marked_stand_for_all() -> None:
    world = World()
    world.leases.own |= {id_: Stuck(world.heard.append) for id_ in (1, 2, 3)}
    for id_, others in ((1, False), (2, False), (3, True)):
        world.leases.write(id_, b"message", HIGH)
        assert (12345 in marked(world.leases.marks.numbers)) == others
        assert id_ in marked(world.leases.marks.numbers)


def test_the_mark_of_a_socket_is_held_while_a_task_waits_to_go_on_writing() -> None:
    marks = OutputMarks([0] * 4)
    marks.hold(ID)
    marks.hold(ID)
    marks.clear()
    assert marked(marks.numbers) == {ID}
    marks.release(ID)
    assert marked(marks.numbers) == {ID}
    marks.corked = True
    marks.release(ID)
    assert marked(marks.numbers) == {ID}  # the message that is corked now has the mark
    marks.corked = False
    marks.clear()
    assert marked(marks.numbers) == frozenset()


def test_a_receipt_counts_the_messages_of_other_workers_for_each_socket_and_their_bytes_once() -> None:
    world = World()
    unknown = ID + 1
    world.leases.sent_by([ID], 2, 1, 1, [(HIGH, b"one"), (HIGH, b"three")])
    world.leases.sent_by([ID, unknown], 2, 2, 2, [(HIGH, b"nine")])
    world.heard.clear()
    world.leases.send_receipt()
    assert list(world.heard) == [(RECEIPT, 4, 12, 1, unknown)]
    world.heard.clear()
    world.leases.send_receipt()
    assert list(world.heard) == []  # nothing new has come


def test_a_socket_waits_for_each_of_the_writes_that_come_back_to_it() -> None:
    foreign = World().leases.foreign
    for _ in range(3):
        assert foreign.write_to_own(ID, b"x", HIGH)
        foreign.flush()  # else the next one would join it
    foreign.returned(ID, 1)
    assert foreign.returning == {ID: 2}
    foreign.returned(ID, 2)
    assert foreign.returning == {}
