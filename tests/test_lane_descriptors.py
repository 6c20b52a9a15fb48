"""Descriptors on a lane: each comes with its own message, or not at all, and none is left behind."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from skypy.lane.lane import Lane, lane_pair
from tests.lanes import BIG, Ends, Files, content, everything, lane_ends, numbered_files, to_the_end
from tests.net.descriptors import limit_of, limit_with_free, open_descriptors


@pytest.fixture
def ends() -> Iterator[Ends]:
    """A lane."""
    with lane_ends() as ends:
        yield ends


@pytest.fixture
def files() -> Iterator[Files]:
    """Makes descriptors of files that can be told apart."""
    with numbered_files() as make:
        yield make


def test_each_descriptor_is_taken_by_its_own_message(ends: Ends, files: Files) -> None:
    for number, file in enumerate(files(5)):
        ends.here.send(("without",))
        ends.here.send_with_descriptor(("with", number), file)
        if number % 2:
            ends.here.flush()
    taken = []
    for kind, *fields in everything(ends.here, ends.there):
        if kind == "with":
            taken.append((fields[0], content(ends.there.take_descriptor())))
    assert taken == [(number, number) for number in range(5)]
    assert ends.there.take_descriptor() is None


def test_more_descriptors_than_one_call_carries_keep_their_order(ends: Ends, files: Files) -> None:
    for number, file in enumerate(files(300)):
        ends.here.send_with_descriptor((number,), file)
    ends.here.send(("end",))
    assert everything(ends.here, ends.there) == [*([number] for number in range(300)), ["end"]]
    assert [content(ends.there.take_descriptor()) for _ in range(300)] == list(range(300))


def test_descriptors_wait_for_flush_together_up_to_the_most_that_one_call_carries(ends: Ends, files: Files) -> None:
    most = 253  # SCM_MAX_FD
    for file in files(most - 1):
        ends.here.send_with_descriptor(("with",), file)
    assert ends.here.unsent == 0  # all are in the batch
    ends.here.send_with_descriptor(("with",), files(1)[0])
    assert ends.here.unsent > 0  # which is sealed: the next one is the first of another
    assert ends.here.flush()
    assert ends.there.receive() == [["with"]] * most


def test_a_received_descriptor_is_not_passed_on_to_programs(ends: Ends, files: Files) -> None:
    ends.here.send_with_descriptor(("with",), files(1)[0])
    everything(ends.here, ends.there)
    descriptor = ends.there.take_descriptor()
    assert descriptor is not None
    assert not os.get_inheritable(descriptor)
    os.close(descriptor)


def test_descriptors_that_come_before_their_messages_wait_for_them(ends: Ends, files: Files) -> None:
    first, second, third = files(3)
    ends.here.send_with_descriptor(("plain",), first)
    ends.here.flush()
    ends.here.send_with_descriptor((BIG,), second)  # its descriptor goes with its first byte
    ends.here.flush()
    ends.here.send(("between",))
    ends.here.flush()
    ends.here.send_with_descriptor(("last",), third)
    ends.here.flush()
    before = len(open_descriptors())
    received: list[Any] = []
    while received == [] or len(open_descriptors()) == before + 1:
        received += ends.there.receive()
    assert received == [["plain"]]
    assert len(open_descriptors()) == before + 2  # the second one is here, its message is not
    assert content(ends.there.take_descriptor()) == 0
    assert ends.there.take_descriptor() is None
    assert everything(ends.here, ends.there) == [[BIG], ["between"], ["last"]]
    assert [content(ends.there.take_descriptor()) for _ in range(2)] == [1, 2]


def test_a_descriptor_may_be_closed_after_flush_even_if_the_lane_was_full(ends: Ends) -> None:
    ends.here.send((BIG,))
    ends.here.flush()
    for number in range(300):
        file = os.memfd_create("test")
        os.write(file, str(number).encode())
        ends.here.send_with_descriptor((number,), file)
        assert not ends.here.flush()
        os.close(file)
    assert everything(ends.here, ends.there)[1:] == [[number] for number in range(300)]
    assert [content(ends.there.take_descriptor()) for _ in range(300)] == list(range(300))


def test_a_sender_that_cannot_copy_descriptors_sends_the_messages_without(ends: Ends, files: Files) -> None:
    ends.here.send((BIG,))
    ends.here.flush()
    for number, file in enumerate(files(5)):
        ends.here.send_with_descriptor((number,), file)
    with limit_of(limit_with_free(2)):
        assert not ends.here.flush()
    for number, file in enumerate(files(2)):
        ends.here.send_with_descriptor((number,), file)
    assert everything(ends.here, ends.there)[1:] == [[number] for number in (0, 1, 2, 3, 4, 0, 1)]
    assert [content(ends.there.take_descriptor()) for _ in range(7)] == [0, 1, None, None, None, 0, 1]


def test_a_sender_without_any_descriptor_left_sends_every_message_without(ends: Ends, files: Files) -> None:
    ends.here.send((BIG,))
    ends.here.flush()
    ends.here.send_with_descriptor(("none",), files(1)[0])
    with limit_of(limit_with_free(0)):
        assert not ends.here.flush()
    ends.here.send_with_descriptor(("some",), files(1)[0])
    assert everything(ends.here, ends.there)[1:] == [["none"], ["some"]]
    assert [content(ends.there.take_descriptor()) for _ in range(2)] == [None, 0]


RECEIVER = """
import json, os, resource, select, socket, sys
from skypy.lane.lane import Lane

lane = Lane(socket.socket(fileno=int(sys.argv[1])))
while (free := os.dup(0)) < lane.fileno():  # the numbers from here on are free
    pass
os.close(free)
resource.setrlimit(resource.RLIMIT_NOFILE, (free + 5, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))

def receive(count):
    messages = []
    poll = select.poll()
    poll.register(lane, select.POLLIN)
    while len(messages) < count:
        assert poll.poll(20000)
        messages += lane.receive()
    taken = []
    for number, has_descriptor in messages:
        descriptor = lane.take_descriptor() if has_descriptor else None
        taken.append([number, None if descriptor is None else int(os.pread(descriptor, 20, 0))])
        if descriptor is not None:
            os.close(descriptor)
    return taken

def send(word):
    lane.send((word,))
    lane.flush()

send("ready")
taken = receive(16)
send("again")
print(json.dumps(taken + receive(8)))
"""


def test_a_receiver_at_its_limit_gets_none_for_exactly_what_did_not_fit(files: Files) -> None:
    here, there = lane_pair()
    lane = Lane(here)
    with (
        there,
        subprocess.Popen(
            [sys.executable, "-c", RECEIVER, str(there.fileno())], pass_fds=[there.fileno()], stdout=subprocess.PIPE
        ) as receiver,
    ):
        there.close()

        def send(numbers: range) -> None:
            for number in numbers:
                lane.send((number, False))
                lane.send_with_descriptor((number, True), descriptors[number])
            lane.flush()

        def wait_for(word: str) -> None:
            here.setblocking(True)
            here.settimeout(20)
            assert lane.receive() == [[word]]
            here.setblocking(False)

        descriptors = files(12)
        wait_for("ready")
        send(range(4))
        send(range(4, 8))
        wait_for("again")
        send(range(8, 12))
        output, _ = receiver.communicate(timeout=30)
    lane.close()
    taken = json.loads(output)
    assert [number for number, _ in taken] == [number for number in range(12) for _ in range(2)]
    assert [got for _, got in taken[1::2]] == [0, 1, 2, 3, 4, None, None, None, 8, 9, 10, 11]
    assert {got for _, got in taken[::2]} == {None}


def test_a_descriptor_that_does_not_fit_before_its_message_is_complete_is_missing_there(
    ends: Ends, files: Files
) -> None:
    first, second = files(2)
    ends.here.send_with_descriptor((BIG,), first)
    assert not ends.here.flush()
    with limit_of(limit_with_free(0)):
        assert ends.there.receive() == []
    ends.here.send_with_descriptor(("behind",), second)
    assert everything(ends.here, ends.there) == [[BIG], ["behind"]]
    assert [content(ends.there.take_descriptor()) for _ in range(2)] == [None, 1]


IN_FLIGHT = """
import json, os, resource
from skypy.lane.lane import Lane, lane_pair

if os.getuid() == 0:
    os.setuid(65534)  # root may have any number of descriptors on their way
resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))
here, there = map(Lane, lane_pair())
file = os.open(os.devnull, os.O_RDONLY)
taken = []

def send(numbers):
    for number in numbers:
        here.send_with_descriptor((number,), file)
        assert here.flush()

def receive():
    while messages := there.receive():
        for (number,) in messages:
            descriptor = there.take_descriptor()
            taken.append([number, descriptor is not None])
            if descriptor is not None:
                os.close(descriptor)

send(range(200))
receive()
send(range(200, 210))
receive()
print(json.dumps(taken))
"""


def test_when_too_many_descriptors_are_on_their_way_the_next_messages_go_without() -> None:
    done = subprocess.run([sys.executable, "-c", IN_FLIGHT], stdout=subprocess.PIPE, check=True, timeout=30)
    taken = json.loads(done.stdout)
    assert [number for number, _ in taken] == list(range(210))
    there = [number for number, with_descriptor in taken if with_descriptor]
    assert 0 < len(there) < 210
    assert there == [*range(len(there) - 10), *range(200, 210)]


def test_a_batch_that_is_cut_off_by_the_end_is_dropped_with_its_descriptors(ends: Ends, files: Files) -> None:
    ends.here.send(("whole",))
    ends.here.flush()
    ends.here.send_with_descriptor((BIG,), files(1)[0])
    assert not ends.here.flush()
    ends.here.close()
    received = to_the_end(ends.there)
    assert received == [["whole"]]
    assert ends.there.take_descriptor() is None


def test_closing_a_lane_closes_the_descriptors_that_were_not_taken(ends: Ends, files: Files) -> None:
    for number, file in enumerate(files(3)):
        ends.here.send_with_descriptor((number,), file)
    everything(ends.here, ends.there)
    descriptor = ends.there.take_descriptor()
    ends.there.close()
    assert content(descriptor) == 0  # what was taken is its taker's


def test_closing_a_full_lane_closes_its_own_copies(ends: Ends, files: Files) -> None:
    descriptors = files(10)
    before = open_descriptors()
    ends.here.send((BIG,))
    ends.here.flush()
    for number, file in enumerate(descriptors):
        ends.here.send_with_descriptor((number,), file)
    assert not ends.here.flush()
    assert len(open_descriptors()) == len(before) + 10
    ends.here.close()
    assert len(open_descriptors()) == len(before) - 1


def test_descriptors_on_their_way_through_a_lane_that_ends_are_closed(ends: Ends, files: Files) -> None:
    one, other = socket.socketpair()
    with other:
        ends.here.send_with_descriptor(("never read",), one.fileno())
        ends.here.flush()
        one.close()
        other.setblocking(False)
        with pytest.raises(BlockingIOError):
            other.recv(1)
        ends.there.close()
        assert other.recv(1) == b""
