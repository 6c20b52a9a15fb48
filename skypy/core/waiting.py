"""Waits as the core knows them: the core says when a wait is over, and a worker's tasks do the waiting."""

from __future__ import annotations

from typing import Any, Protocol


class Wakeable(Protocol):
    """A wait, or a message to another worker in place of one."""

    def done(self) -> bool:
        """Return True if the wait is over."""

    def set_result(self, value: Any, /) -> None:
        """End the wait."""


class Waiting(Wakeable, Protocol):
    """A wait that may also end with an exception."""

    def set_exception(self, exception: BaseException, /) -> None:
        """End the wait with an exception."""
