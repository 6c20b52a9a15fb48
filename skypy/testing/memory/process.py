"""Virtual processes: each is known by the context of its code, and nothing of one that has died runs again."""

from __future__ import annotations

import contextvars
from typing import Final


class VirtualProcess:
    """A process of the node, or the test's own, inside this interpreter."""

    def __init__(self, title: str) -> None:
        """Make a process. Its code is to run in copies of `context`."""
        self.title = title
        self.alive = True
        self.suspended = False
        """True while the process is stopped, as by SIGSTOP: its handles wait."""
        self.context = contextvars.copy_context()
        self.context.run(_current.set, self)

    def __repr__(self) -> str:
        return f"<{self.title}>"


_current: Final[contextvars.ContextVar[VirtualProcess | None]] = contextvars.ContextVar("skypy_process", default=None)


def current_process() -> VirtualProcess | None:
    """Return the process that runs now; None outside of them all."""
    return _current.get()


def process_of(context: contextvars.Context) -> VirtualProcess | None:
    """Return the process to which a context belongs; None when it belongs to none."""
    return context.get(_current)
