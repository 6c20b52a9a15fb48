"""The node process of a test: it has one worker process more, for the test, on which the node places nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

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
        return self.add_worker(TEST_PROCESS_NUMBER, "test")

    def settings_for(self, process_number: int) -> tuple[Any, ...]:
        kind, _, settings, *more = super().settings_for(process_number)
        if process_number == TEST_PROCESS_NUMBER:
            settings["service_path"] = [*settings["service_path"], _SERVICES]
        return kind, process_number, settings, *more

    def launch_start_service(self) -> None:
        if self.settings.start:
            super().launch_start_service()
