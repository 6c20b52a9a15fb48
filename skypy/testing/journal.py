"""The log of a system in memory, line by line, and which lines speak of errors."""

from __future__ import annotations

import logging
import re

from skypy.node.log_sink import LogSink
from skypy.testing.process import current_process
from skypy.worker.log import AddressFormatter


class Journal(logging.Handler):
    """Collects what a node would write to its log."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[str] = []
        self.errors: list[str] = []
        """Those that nobody has declared."""
        self.expected: list[re.Pattern[str]] = []
        self.allowed: re.Pattern[str] | None = None
        """Errors that may come and need not."""
        self._met: set[str] = set()
        self.node = _NodeLog(self)

    def begin(self) -> None:
        """Listen to every logger."""
        root = logging.getLogger()
        root.addHandler(self)
        self._level = root.level
        root.setLevel(min(root.level or logging.INFO, logging.INFO))

    def end(self) -> None:
        """Listen no more."""
        root = logging.getLogger()
        root.removeHandler(self)
        root.setLevel(self._level)

    def emit(self, record: logging.LogRecord) -> None:
        process = current_process()
        text = AddressFormatter("test" if process is None else process.title).format(record)
        self.add(text, error=record.levelno >= logging.ERROR)

    def service(self, line: str) -> None:
        """What the socket service has to say is bad news."""
        self.add(line, error=True)

    def add(self, text: str, *, error: bool) -> None:
        """An entry of the log: maybe several lines."""
        self.lines += text.split("\n")
        if not error:
            return
        reasons = [pattern.pattern for pattern in self.expected if pattern.search(text)]
        self._met.update(reasons)
        if not reasons and not (self.allowed is not None and self.allowed.search(text)):
            self.errors.append(text)

    def problems(self) -> list[str]:
        """What is wrong with it."""
        problems = [f"an error that the test did not expect:\n{text}" for text in self.errors]
        for pattern in self.expected:
            if pattern.pattern not in self._met:
                problems.append(f"no error matches {pattern.pattern!r}")
        return problems


class _NodeLog(LogSink):
    """What the node itself says."""

    def __init__(self, journal: Journal) -> None:
        super().__init__("-")
        self._journal = journal

    def write(self, line: bytes) -> None:
        self._journal.add(line.decode("utf-8", "backslashreplace"), error=False)
