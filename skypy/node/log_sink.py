"""The node's log: the lines that the children write to their standard output and error, and the node's own."""

from __future__ import annotations

import contextlib
import sys
import time

from skypy.core.log_line import log_line
from skypy.system import standard_error
from skypy.system.kernel import LINUX, Kernel


class LogSink:
    """Whole lines, to standard error ("-") or to a file, where the time stands before each as in skynet's log files."""

    def __init__(self, target: str, kernel: Kernel = LINUX) -> None:
        """Open the file `target`, or use standard error for "-". Raises OSError."""
        self._target = target
        self._kernel = kernel
        self._lost = 0
        self._descriptor = standard_error.DESCRIPTOR if target == "-" else kernel.open_to_append(target)

    @property
    def is_standard_error(self) -> bool:
        """True if lines go to standard error, where the user sees them."""
        return self._descriptor == standard_error.DESCRIPTOR

    def reopen(self) -> None:
        """Go on in a new file after the old one was moved away (SIGHUP)."""
        if self._target == "-":
            return
        try:
            descriptor = self._kernel.open_to_append(self._target)
        except OSError as error:
            self.note(f"the log stays in the old file: {error}")
            return
        self._kernel.close(self._descriptor)
        self._descriptor = descriptor

    def write(self, line: bytes) -> None:
        """Write one line, given without its newline. Lines that cannot be written are lost; a later one counts them."""
        if self._lost and self._put(log_line("node", f"{self._lost} lines of the log were lost").encode()):
            self._lost = 0
        if not self._put(line):
            self._lost += 1

    def note(self, text: str) -> None:
        """Write one line of the node itself."""
        self.write(log_line("node", text).encode())

    def complain(self, text: str) -> None:
        """Write lines that the user must see, and therefore also to standard error if the log goes to a file."""
        for line in text.splitlines():
            self.note(line)
        if not self.is_standard_error:
            print(f"skypy: {text}", file=sys.stderr, flush=True)  # noqa: T201

    def close(self) -> None:
        """Close the file."""
        if not self.is_standard_error:
            self._kernel.close(self._descriptor)

    def _put(self, line: bytes) -> bool:
        if not self.is_standard_error:
            now = self._kernel.unix_time()
            stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now))
            line = b"%s.%03d %s" % (stamp.encode(), now % 1 * 1000, line)
        data = memoryview(line + b"\n")
        with contextlib.suppress(OSError):
            while data:
                data = data[self._kernel.write(self._descriptor, data) :]
        return not data
