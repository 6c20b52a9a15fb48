"""The log of a system in memory, line by line, and the errors that a test has declared."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator
from typing import Final

from skypy.node.log.sink import LogSink
from skypy.system.log.file import LogFile
from skypy.testing.memory.process import current_process
from skypy.worker.actors.log import AddressFormatter

CLIENT_HAS_GONE: Final = r"socket: error on \d+ (Connection reset by peer|Broken pipe)$"
"""The errors that services may meet when the clients of a test that has ended are closed."""


class Expectations:
    """The errors that a test expects or allows in the log."""

    def __init__(self) -> None:
        self.expected: list[re.Pattern[str]] = []
        self._allowed: list[re.Pattern[str]] = []

    def allow(self, pattern: str) -> None:
        """Allow errors that match `pattern`, which may span lines."""
        self._allowed.append(re.compile(pattern, re.MULTILINE))

    def allows(self, text: str) -> bool:
        """Return True if an error is allowed."""
        return any(one.search(text) for one in self._allowed)

    def problems(self, errors: list[str], lines: list[str]) -> list[str]:
        """Return complaints about errors that were not expected, and about expected ones that are not in the log."""
        unexpected = [text for text in errors if not any(one.search(text) for one in self.expected)]
        missing = [one.pattern for one in self.expected if not any(map(one.search, lines))]
        return [
            *(
                f"an error that the test did not expect (`expect_error(pattern)` declares one):\n{text}"
                for text in unexpected
            ),
            *(f"no line of the log matches {pattern!r}" for pattern in missing),
        ]


class Journal(logging.Handler):
    """A collection of everything that a node would write to its log."""

    def __init__(self, expectations: Expectations) -> None:
        super().__init__(logging.INFO)
        self.lines: list[str] = []
        self._errors: list[str] = []
        self._expectations = expectations
        self.node = _NodeLog(self)

    def begin(self) -> None:
        """Listen to every logger."""
        root = logging.getLogger()
        root.addHandler(self)
        self._level = root.level
        root.setLevel(min(root.level or logging.INFO, logging.INFO))

    def end(self) -> None:
        """Stop listening."""
        root = logging.getLogger()
        root.removeHandler(self)
        root.setLevel(self._level)

    @contextlib.contextmanager
    def deaf(self) -> Iterator[None]:
        """Drop records while the block runs."""
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

    def add_socket_service_line(self, line: str) -> None:
        """Add a line of the socket service, which writes about errors only."""
        self.add(line, error=True)

    def add(self, text: str, *, error: bool) -> None:
        """Add an entry of one or more lines. An error that is allowed now does not count."""
        text = text.encode("utf-8", "backslashreplace").decode()
        self.lines += text.split("\n")
        if error and not self._expectations.allows(text):
            self._errors.append(text)

    def problems(self) -> list[str]:
        """Return complaints about errors in the log."""
        return self._expectations.problems(self._errors, self.lines)


class _NodeLog(LogSink):
    """The log of the node process itself."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(LogFile(None))
        self._journal = journal

    def write(self, lines: bytes) -> None:
        self._journal.add(lines[:-1].decode("utf-8", "backslashreplace"), error=False)
