"""The terminal in which this process was started."""

from __future__ import annotations

import os
from typing import Final

from skypy.system.poller import Poller

_CONTROLLING_TERMINAL: Final = "/dev/tty"


class Terminal:
    """The controlling terminal, held open: its descriptor tells the end, a name would mean another terminal by then."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._poller: Poller | None = None

    @property
    def is_gone(self) -> bool:
        """True if the terminal was closed, or its session has ended."""
        return not os.isatty(self._descriptor)

    def watch(self) -> int:
        """Return a descriptor that is readable once the terminal is gone, and not for what is typed into it."""
        if self._poller is None:
            self._poller = Poller()
            self._poller.add(self._descriptor, 0)  # a hang-up is reported in any case
        return self._poller.fileno()


def controlling_terminal() -> Terminal | None:
    """Open the controlling terminal of this process; None if there is none."""
    try:
        return Terminal(os.open(_CONTROLLING_TERMINAL, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError:
        return None
