"""The node of a test: the test has a process of its own in it, on which the node places nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

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
        return self.add_worker(TEST_PROCESS_NUMBER, "test")

    def settings_for(self, process_number: int) -> tuple[Any, ...]:
        kind, _, settings, *more = super().settings_for(process_number)
        if process_number == TEST_PROCESS_NUMBER:
            settings["service_path"] = [*settings["service_path"], _SERVICES]
        return kind, process_number, settings, *more

    def launch_start_service(self) -> None:
        if self.settings.start:
            super().launch_start_service()


def check_worker(index: int, workers: int) -> None:
    """Raises ValueError for a worker that the node does not have."""
    if not 1 <= index <= workers:
        raise ValueError(f"there is no worker {index}: this node has workers 1 to {workers}")
