"""The node of a test: the test has a process of its own in it, on which the node places nothing."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, Final

from skypy.core.wire.control_lane import JOIN, WATCH
from skypy.node.child import Child
from skypy.node.node import NodeProcess

TEST_PROCESS_NUMBER: Final = 0xFFFF
"""Where the test itself is an actor: its addresses begin with ffff."""
_SERVICES: Final = str(Path(__file__).parent / "services")


class NotStarted(AssertionError):
    """A node has not come to run; the text says why."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(["the node has not started", *lines]))


class TestedNode(NodeProcess):
    """The real one, with one worker process more."""

    __test__ = False  # its name is no wish to be collected

    def start_test(self) -> Child:
        """Start the process of the test."""
        assert self._service is not None
        number = TEST_PROCESS_NUMBER
        said = functools.partial(self._worker_said, number)
        child = self._workers[number] = self._start_child("test", "skypy.node.worker_process", said, ("test",))
        ours, theirs = self._kernel.lane_pair()
        with ours, theirs:
            self._service.send((JOIN, number), ours.fileno())
            self._service.send((WATCH, number), child.pidfd)
            child.send(self._settings_for(number), theirs.fileno())
        self._introduce(number, child)
        return child

    def _settings_for(self, number: int) -> tuple[Any, ...]:
        kind, number, settings, *more = super()._settings_for(number)
        if number == TEST_PROCESS_NUMBER:
            settings["service_path"] = [*settings["service_path"], _SERVICES]
        return kind, number, settings, *more

    def _launch_start_service(self) -> None:
        if self._settings.start:
            super()._launch_start_service()


def check_worker(index: int, workers: int) -> None:
    """Raises ValueError for a worker that the node does not have."""
    if not 1 <= index <= workers:
        raise ValueError(f"there is no worker {index}: this node has workers 1 to {workers}")
