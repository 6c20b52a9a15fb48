"""What this interpreter holds, before a test and after it."""

from __future__ import annotations

import contextlib
import gc
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from skypy.testing.memory.descriptors import all_numbers
from skypy.worker.worker import Worker

LEFT_TO_COLLECTOR: Final = "left for the garbage collector to close"


@contextlib.contextmanager
def watching_the_collector() -> Iterator[list[str]]:
    """What is closed by the garbage collector alone meanwhile, as `ResourceWarning` says it."""
    left: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        yield left
        gc.collect()
    for one in caught:
        if issubclass(one.category, ResourceWarning):
            left.append(f"{LEFT_TO_COLLECTOR}: {one.message}")
        else:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)


class Inventory:
    """Real descriptors, child processes, and descriptors in memory."""

    def __init__(self) -> None:
        self._files = open_files()
        self._children = _children()
        self._numbers = all_numbers()

    def problems(self) -> list[str]:
        """What is there now and was not."""
        files = [f"{path} (descriptor {number})" for number, path in open_files().items() if number not in self._files]
        found: dict[str, list[Any]] = {
            "files left open": files,
            "processes left": sorted(_children() - self._children),
            "sockets left": sorted(all_numbers() - self._numbers),
        }
        return [f"{what}: {', '.join(map(str, left))}" for what, left in found.items() if left]


def sockets_of(worker: Worker) -> set[int]:
    """The descriptors that a worker holds for its actors' sockets, those whose end it has not heard of yet included."""
    ownership = worker.sockets.ownership
    listeners = (*ownership.listeners.values(), *ownership.parting_listeners.values())
    connections = (*ownership.own.values(), *ownership.leases.parting.values())
    held = {one.descriptor for one in listeners} | {one.descriptor for one in connections}
    return {descriptor for descriptor in held if descriptor is not None}


def open_files() -> dict[int, str]:
    """The real descriptors of this process, with what they stand for."""
    files: dict[int, str] = {}
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the descriptor of the listing itself
            files[int(name)] = os.readlink(f"/proc/self/fd/{name}")
    return files


def _children() -> set[int]:
    children: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # a thread that has just ended
            children.update(map(int, (task / "children").read_text().split()))
    return children
