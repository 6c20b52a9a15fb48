"""The node's log: what the children write to their standard output and error, and what the node itself says."""

from __future__ import annotations

import contextlib
import os
import time


class LogSink:
    """Whole lines, to standard error ("-") or to a file, where each gets the time in front as in skynet's log files."""

    def __init__(self, target: str) -> None:
        """Raises OSError when the file cannot be written."""
        self._target = target
        self._descriptor = 2
        self._dropped = 0
        if target != "-":
            self._descriptor = self._open()

    @property
    def is_standard_error(self) -> bool:
        """Whether lines go to standard error, where the user sees them."""
        return self._descriptor == 2

    def reopen(self) -> None:
        """After the file was moved away (SIGHUP): go on in a new one."""
        if self._target == "-":
            return
        try:
            descriptor = self._open()
        except OSError as error:
            self.write(f"[node] the log stays where it is: {error}".encode())
            return
        os.close(self._descriptor)
        self._descriptor = descriptor

    def write(self, line: bytes) -> None:
        """One line, without its newline. A log that cannot be written loses lines, and says how many afterwards."""
        if self._dropped and self._put(b"[node] %d lines of the log were lost" % self._dropped):
            self._dropped = 0
        if not self._put(line):
            self._dropped += 1

    def close(self) -> None:
        """Closes the file."""
        if self._descriptor != 2:
            os.close(self._descriptor)

    def _put(self, line: bytes) -> bool:
        if not self.is_standard_error:
            now = time.time()
            stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now))
            line = b"%s.%03d %s" % (stamp.encode(), now % 1 * 1000, line)
        data = memoryview(line + b"\n")
        with contextlib.suppress(OSError):
            while data:
                data = data[os.write(self._descriptor, data) :]
        return not data

    def _open(self) -> int:
        return os.open(self._target, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
