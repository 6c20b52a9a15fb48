"""What this interpreter holds, before a test and after it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

from skypy.testing.descriptors import all_numbers


class Inventory:
    """Real descriptors, child processes, and descriptors in memory."""

    def __init__(self) -> None:
        self._files = _files()
        self._children = _children()
        self._numbers = all_numbers()

    def problems(self) -> list[str]:
        """What is there now and was not."""
        files = [f"{path} (descriptor {number})" for number, path in _files().items() if number not in self._files]
        found: dict[str, list[Any]] = {
            "files left open": files,
            "processes left": sorted(_children() - self._children),
            "sockets left": sorted(all_numbers() - self._numbers),
        }
        return [f"{what}: {', '.join(map(str, left))}" for what, left in found.items() if left]


def _files() -> dict[int, str]:
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
