"""The node's log: the lines that the children write to their standard output and error, and the node's own."""

from __future__ import annotations

import time
from typing import Final

from skypy.core.log_line import log_line
from skypy.core.log_queue import describe_loss
from skypy.node.log.writer import LogWriter
from skypy.system.kernel import LINUX
from skypy.system.log.file import LogFile
from skypy.system.log.process import open_log

_LAST_LINES_SECONDS: Final = 1.0
"""The longest that the end of the node waits for the reader of its log."""


class LogSink:
    """Whole lines, to standard error ("-") or to a file, where the time stands before each as in skynet's log files.

    No call waits for the reader. Lines beyond those that a writer holds for it are lost; a later line counts them.
    """

    def __init__(self, console: LogFile, file: LogFile | None = None) -> None:
        """Write to the log file or, if there is none, to standard error, which is `console`."""
        if file is None:
            self._writer = self._console = LogWriter(console, self._loss_line)
        else:
            self._writer = LogWriter(file, self._loss_line, self.complain)
            self._console = LogWriter(console, lambda count: _console_text(describe_loss(count)))

    @classmethod
    def open(cls, target: str) -> LogSink:
        """Open the file `target`, or use standard error for "-". Raises OSError."""
        return cls(LogFile(None), None if target == "-" else open_log(target))

    @property
    def is_standard_error(self) -> bool:
        """True if lines go to standard error, where the user sees them."""
        return self._writer is self._console

    def reopen(self) -> None:
        """Go on in a new file after the old one was moved away (SIGHUP)."""
        if not self.is_standard_error:
            self._writer.reopen()

    def write(self, lines: bytes) -> None:
        """Write one or more whole lines, each with its newline."""
        self._writer.put(lines if self.is_standard_error else _stamped(lines))

    def note(self, text: str) -> None:
        """Write one line of the node itself."""
        self.write(log_line("node", text).encode("utf-8", "backslashreplace") + b"\n")

    def complain(self, text: str) -> None:
        """Write lines that the user must see, and therefore also to standard error if the log goes to a file."""
        for line in text.splitlines():
            self.note(line)
        self.announce(text)

    def announce(self, text: str) -> None:
        """Write to standard error if the log goes to a file."""
        if not self.is_standard_error:
            self._console.put(_console_text(text))

    def close(self) -> None:
        """Write what waits, if the reader takes it soon, and close the file."""
        lost = self._writer.close(_LAST_LINES_SECONDS)
        if not self.is_standard_error:
            if lost:
                self.announce(describe_loss(lost))
            self._console.close(_LAST_LINES_SECONDS)

    def _loss_line(self, count: int) -> bytes:
        line = log_line("node", describe_loss(count)).encode() + b"\n"
        return line if self.is_standard_error else _stamped(line)


def _console_text(text: str) -> bytes:
    return f"skypy: {text}\n".encode("utf-8", "backslashreplace")


def _stamped(lines: bytes) -> bytes:
    now = LINUX.unix_time()
    stamp = b"%s.%03d " % (time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now)).encode(), now % 1 * 1000)
    return stamp + lines[:-1].replace(b"\n", b"\n" + stamp) + b"\n"
