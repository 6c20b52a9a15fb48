"""Who waits, as far as the core knows: it says when a wait is over, and a worker's tasks do the waiting."""

from __future__ import annotations

from typing import Any, Protocol


class Wakeable(Protocol):
    """What can be resumed once: a Waiter, and what stands for one."""

    def done(self) -> bool:
        """Whether it has been resumed."""

    def set_result(self, value: Any, /) -> None:
        """Resume it."""


class Waiting(Wakeable, Protocol):
    """A wait that can also be in vain."""

    def set_exception(self, exception: BaseException, /) -> None:
        """Resume it with an exception."""
