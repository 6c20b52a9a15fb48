"""Virtual processes: what runs in one is known by its context, and everything of one that has died is never run."""

from __future__ import annotations

import contextvars
from typing import Final


class VirtualProcess:
    """A process of the node, or the test itself, inside of this one."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.alive = True
        self.suspended = False
        """Whether it has been stopped, as by SIGSTOP: what it would do waits."""
        self.context = contextvars.copy_context()
        self.context.run(_current.set, self)

    def __repr__(self) -> str:
        return f"<{self.title}>"


_current: Final[contextvars.ContextVar[VirtualProcess | None]] = contextvars.ContextVar("skypy_process", default=None)


def current_process() -> VirtualProcess | None:
    """The one whose code is running."""
    return _current.get()


def process_of(context: contextvars.Context) -> VirtualProcess | None:
    """The one that a context belongs to."""
    return context.get(_current)
