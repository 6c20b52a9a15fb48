"""The log of the socket service, whose event loop is the reactor."""

from __future__ import annotations

import contextlib

from skypy.net.reactor import Reactor
from skypy.system.log.pipe import LogPipe
from skypy.system.poller import WRITABLE


class ReactorLog:
    """The lines of the socket service, which never waits for the node to read them."""

    def __init__(self, title: str) -> None:
        """Open the way to the node. `title` is the process's."""
        self._pipe = LogPipe(title)
        self._reactor: Reactor | None = None
        self._is_watched = False

    def write_on(self, reactor: Reactor) -> None:
        """Let a reactor write the lines that wait."""
        self._reactor = reactor

    def write(self, line: str) -> None:
        """Write one entry to the node's log."""
        with contextlib.suppress(OSError):  # the node is gone
            self._pipe.write_line(line)
        if self._pipe.is_behind and not self._is_watched and self._reactor is not None:
            self._is_watched = True
            self._reactor.watch(self, WRITABLE)

    def fileno(self) -> int:
        """Return the pipe's descriptor, for the reactor."""
        return self._pipe.fileno()

    def handle(self, events: int) -> None:
        """Write lines that wait, now that the pipe has room."""
        del events
        with contextlib.suppress(OSError):
            self._pipe.write_waiting()
        if not self._pipe.is_behind:
            self.fail()

    def fail(self) -> None:
        """Watch the pipe no more, until there is no room again."""
        assert self._reactor is not None
        self._is_watched = False
        self._reactor.ignore(self)

    def close(self) -> None:
        """Write the lines that wait, if the node reads."""
        with contextlib.suppress(OSError):
            self._pipe.flush()
