"""The resources of this interpreter before a test and after it."""

from __future__ import annotations

import contextlib
import gc
import os
import random
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from skypy.testing.memory.descriptors import open_descriptors
from skypy.worker.worker import Worker

LEFT_TO_COLLECTOR: Final = "left for the garbage collector to close"


@contextlib.contextmanager
def watching_the_collector() -> Iterator[list[str]]:
    """Collect garbage after the block, and complain in the list about files that were closed by the collector alone."""
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
    """The real descriptors, child processes and descriptors in memory at the time it is made."""

    def __init__(self) -> None:
        self._files = open_files()
        self._children = _children()
        self._in_memory = open_descriptors()

    def problems(self) -> list[str]:
        """Return complaints about everything that exists now and did not exist then."""
        files = [
            f"{path} (descriptor {descriptor})"
            for descriptor, path in open_files().items()
            if descriptor not in self._files
        ]
        found: dict[str, list[Any]] = {
            "files left open": files,
            "processes left": sorted(_children() - self._children),
            "sockets left": sorted(open_descriptors() - self._in_memory),
        }
        return [f"{kind}: {', '.join(map(str, left))}" for kind, left in found.items() if left]


class InterpreterState:
    """The state of `random` and of the import system at the time it is made, which services may change."""

    def __init__(self) -> None:
        self._path = list(sys.path)
        self._modules = set(sys.modules)
        self._random = random.getstate()

    def restore(self, service_path: Sequence[str]) -> None:
        """Restore the state, and unload the helper modules of services below `service_path`.

        They belong to workers that have ended.
        """
        sys.path[:] = self._path
        random.setstate(self._random)
        folders = tuple(f"{folder}/" for folder in service_path)
        for name in set(sys.modules) - self._modules:
            file = getattr(sys.modules.get(name), "__file__", None)
            if file and file.startswith(folders):
                del sys.modules[name]


def sockets_of(worker: Worker) -> set[int]:
    """Return the descriptors of the sockets of a worker's actors, those not reported closed yet included."""
    ownership = worker.sockets.ownership
    listeners = (*ownership.listeners.values(), *ownership.parting_listeners.values())
    connections = (*ownership.own.values(), *ownership.leases.parting.values())
    held = {one.descriptor for one in listeners} | {one.descriptor for one in connections}
    return {descriptor for descriptor in held if descriptor is not None}


def open_files() -> dict[int, str]:
    """Return the real descriptors of this process, with the path or the kind of each."""
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
