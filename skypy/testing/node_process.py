"""The node process of a test: it has one worker process more, for the test, on which the node places nothing."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, Final

from skypy.core.wire.control_lane import JOIN, WATCH
from skypy.node.child import Child
from skypy.node.node import NodeProcess

TEST_PROCESS_NUMBER: Final = 0xFFFF
"""The process in which the test itself is an actor: its addresses begin with ffff."""
_SERVICES: Final = str(Path(__file__).parent / "services")


class NotStarted(AssertionError):
    """A node has failed to start; the text is its log, which says why."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(["the node has not started", *lines]))


class TestedNodeProcess(NodeProcess):
    """The real node process, with one worker process more."""

    __test__ = False  # pytest is not to collect it

    def start_test(self) -> Child:
        """Start the process of the test and return it."""
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
