"""Counting this process's descriptors, and running out of them."""

from __future__ import annotations

import contextlib
import itertools
import os
import resource
from collections.abc import Iterator


def open_descriptors() -> set[int]:
    """Return the numbers of this process's descriptors."""
    listed = os.listdir("/proc/self/fd")
    return {int(number) for number in listed if os.path.lexists(f"/proc/self/fd/{number}")}  # not the listing's own


@contextlib.contextmanager
def limit_of(soft: int) -> Iterator[None]:
    """Set a limit of descriptors for a while."""
    before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, hard))


def limit_with_free(count: int) -> int:
    """Return the limit with which this process can open `count` descriptors more."""
    taken = open_descriptors()
    free = (number for number in itertools.count() if number not in taken)
    return next(itertools.islice(free, count, None))
