"""Helpers for the tests of the lane: the two ends, and files that can be told apart."""

from __future__ import annotations

import contextlib
import os
import select
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from skypy.lane.lane import Lane, LaneEnded, lane_pair
from tests.net.descriptors import open_descriptors

BIG = bytes(range(256)) * 16384
"""More bytes than the kernel buffers for a lane."""


Files = Callable[[int], list[int]]


class Ends(NamedTuple):
    """The two ends of one lane."""

    here: Lane
    there: Lane


@contextlib.contextmanager
def lane_ends() -> Iterator[Ends]:
    """Make a lane, and check that no descriptor is left behind."""
    before = open_descriptors()
    ends = Ends(*map(Lane, lane_pair()))
    yield ends
    for end in ends:
        end.close()
    assert open_descriptors() == before


@contextlib.contextmanager
def numbered_files() -> Iterator[Files]:
    """Give a function that makes descriptors of files which hold their own numbers, from 0."""
    made: list[int] = []

    def make(count: int) -> list[int]:
        for number in range(count):
            made.append(os.memfd_create("test"))
            os.write(made[-1], str(number).encode())
        return made[-count:]

    yield make
    for descriptor in made:
        os.close(descriptor)


def everything(sender: Lane, receiver: Lane) -> list[Any]:
    """Move all messages that are in transit; return them."""
    messages: list[Any] = []
    while not sender.flush() or select.select([receiver], [], [], 0)[0]:
        messages += receiver.receive()
    return messages


def to_the_end(receiver: Lane) -> list[Any]:
    """Return the messages that come before the end of the lane."""
    messages: list[Any] = []
    while True:
        try:
            messages += receiver.receive()
        except LaneEnded:
            return messages


def content(descriptor: int | None) -> int | None:
    """Return the number in a file, and close the file."""
    if descriptor is None:
        return None
    try:
        return int(os.pread(descriptor, 20, 0))
    finally:
        os.close(descriptor)
