"""Main of a node of real processes with a test in it.

`python -m skypy.testing.processes.node_program SETTINGS`, with the path of a JSON file.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from skypy.core.log_line import log_line
from skypy.core.settings import Settings
from skypy.core.wire.control_lane import LAUNCH, LAUNCH_FAILED, LAUNCHED
from skypy.core.wire.values import pack_arguments
from skypy.node.child import Child
from skypy.node.node import run
from skypy.testing.node_process import TEST_PROCESS_NUMBER, TestedNodeProcess

_BECOME_SUBREAPER: Final = 36
_FAREWELL_SECONDS: Final = 1.0
"""The time for a program that was told to end."""


class RealNodeProcess(TestedNodeProcess):
    """A node process with workers that mark their errors, and complain at their end about resources left in them."""

    def start_child(
        self, title: str, module: str, received: Callable[[Child, Any], None], arguments: tuple[str, ...] = ()
    ) -> Child:
        if module == "skypy.node.worker_process":
            module = "skypy.testing.processes.worker_program"
        return super().start_child(title, module, received, arguments)

    def launch_start_service(self) -> None:
        if TEST_PROCESS_NUMBER not in self.workers:
            self.start_test().send((LAUNCH, 0, "skypy_hand", pack_arguments([], {})))
        super().launch_start_service()

    def received_from_worker(self, process_number: int, child: Child, message: Any) -> None:
        if process_number == TEST_PROCESS_NUMBER and message[0] in (LAUNCHED, LAUNCH_FAILED):
            return  # the node's launcher has not asked for it
        super().received_from_worker(process_number, child, message)


def main() -> None:
    """Run the node until it is asked to stop, and complain about programs that services have left running."""
    ctypes.CDLL(None).prctl(_BECOME_SUBREAPER, 1, 0, 0, 0)  # becomes the parent of programs that a worker leaves
    code = run(Settings.from_plain(json.loads(Path(sys.argv[1]).read_text())), RealNodeProcess)
    deadline = time.monotonic() + _FAREWELL_SECONDS
    while (left := _children()) and time.monotonic() < deadline:
        time.sleep(0.01)
    for pid, command in left.items():
        print(log_line("node", f"processes left: {command}"), file=sys.stderr)  # noqa: T201
        os.kill(pid, signal.SIGKILL)
    sys.exit(code)


def _children() -> dict[int, str]:
    """Return the living child processes, with their command lines."""
    found = {}
    for pid in map(int, Path("/proc/thread-self/children").read_text().split()):
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        if state != "Z":
            found[pid] = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode()
    return found


if __name__ == "__main__":
    main()
