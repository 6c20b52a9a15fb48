"""The log of a node of real processes, as it comes, and the errors among its lines."""

from __future__ import annotations

import re
import threading
import time
from typing import IO, Final

from skypy.testing.leaks import LEFT_TO_COLLECTOR
from skypy.testing.processes.worker_program import ERROR_MARK, MORE_MARK

_BAD_NEWS: Final = re.compile(r"^(socket: |\[socket service\] |Exception |Fatal )")
"""Lines of the socket service, and those that Python writes by itself: errors that are not records with a level."""
_LEFT: Final = re.compile(
    r"^\[(?:node|test|worker \d+)\] (?P<left>(?:files|sockets|processes) left.*)$"
    r"|ResourceWarning: (?P<unclosed>unclosed.*)$"
)
_PREFIX: Final = re.compile(r"^\[[^\]]+\] ")


class RealLog:
    """The lines of a stream, collected in a thread of its own."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.lines: list[str] = []
        self.errors: list[tuple[int, str]] = []
        """The number of its first line, and its text, for each."""
        self.left: list[str] = []
        """Complaints of processes, at their end, about resources that are left in them."""
        self._more = threading.Condition()
        self._last: dict[str, int] = {}  # the prefix of a writer → its latest error
        self._collector = threading.Thread(target=self._collect, args=(stream,), daemon=True)
        self._collector.start()

    @property
    def length(self) -> int:
        """The count of lines by now."""
        return len(self.lines)

    def wait_for(self, pattern: str, seconds: float, *, after: int = 0) -> re.Match[str] | None:
        """Wait for a line from number `after` on that matches, and return its match; None if it is late."""
        deadline = time.monotonic() + seconds
        with self._more:
            while True:
                for line in self.lines[after:]:
                    if found := re.search(pattern, line):
                        return found
                if time.monotonic() > deadline or not self._collector.is_alive():
                    return None
                self._more.wait(0.1)  # the end of the collector is not announced

    def join(self, seconds: float) -> None:
        """Wait until every process that writes to it has ended."""
        self._collector.join(seconds)

    def _collect(self, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                with self._more:
                    self._add(line.decode("utf-8", "backslashreplace").rstrip("\n"))
                    self._more.notify_all()

    def _add(self, line: str) -> None:
        mark, line = (line[0], line[1:]) if line[:1] in (ERROR_MARK, MORE_MARK) else ("", line)
        found = _PREFIX.match(line)
        writer = found[0] if found else ""
        if mark == MORE_MARK and writer in self._last:
            index = self._last[writer]
            begin, text = self.errors[index]
            self.errors[index] = (begin, f"{text}\n{line}")
        elif mark or _BAD_NEWS.match(line):
            self._last[writer] = len(self.errors)
            self.errors.append((len(self.lines), line))
        if left := _LEFT.match(line):
            self.left.append(left["left"] or f"{LEFT_TO_COLLECTOR}: {left['unclosed']}")
        self.lines.append(line)
