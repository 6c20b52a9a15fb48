"""The log of a system in memory, line by line, and which lines speak of errors."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator
from typing import Final

from skypy.node.log_sink import LogSink
from skypy.testing.memory.process import current_process
from skypy.worker.actors.log import AddressFormatter

CLIENT_HAS_GONE: Final = r"socket: error on \d+ (Connection reset by peer|Broken pipe)$"
"""What a service may meet when the clients of a test that has ended are closed."""


class Journal(logging.Handler):
    """Collects what a node would write to its log."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[str] = []
        self._errors: list[str] = []
        self.expected: list[re.Pattern[str]] = []
        self._allowed: list[re.Pattern[str]] = []
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

    @contextlib.contextmanager
    def deaf(self) -> Iterator[None]:
        """What is logged meanwhile is said by nobody."""
        root = logging.getLogger()
        root.removeHandler(self)
        try:
            yield
        finally:
            root.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        process = current_process()
        text = AddressFormatter("test" if process is None else process.title).format(record)
        self.add(text, error=record.levelno >= logging.ERROR)

    def service(self, line: str) -> None:
        """What the socket service has to say is bad news."""
        self.add(line, error=True)

    def add(self, text: str, *, error: bool) -> None:
        """An entry of the log: maybe several lines."""
        text = text.encode("utf-8", "backslashreplace").decode()
        self.lines += text.split("\n")
        if error and not any(one.search(text) for one in self._allowed):
            self._errors.append(text)

    def allow(self, pattern: str) -> None:
        """Errors that match may come from now on."""
        self._allowed.append(re.compile(pattern, re.MULTILINE))

    def problems(self) -> list[str]:
        """What is wrong with it."""
        return find_problems(self._errors, self.expected, self.lines)


def find_problems(errors: list[str], expected: list[re.Pattern[str]], lines: list[str]) -> list[str]:
    """Errors that nobody expected, and expected ones that have not come."""
    unexpected = [text for text in errors if not any(one.search(text) for one in expected)]
    missing = [one.pattern for one in expected if not any(map(one.search, lines))]
    return [
        *(
            f"an error that the test did not expect (`expect_error(pattern)` declares one):\n{text}"
            for text in unexpected
        ),
        *(f"no line of the log matches {pattern!r}" for pattern in missing),
    ]


class _NodeLog(LogSink):
    """What the node itself says."""

    def __init__(self, journal: Journal) -> None:
        super().__init__("-")
        self._journal = journal

    def write(self, line: bytes) -> None:
        self._journal.add(line.decode("utf-8", "backslashreplace"), error=False)
