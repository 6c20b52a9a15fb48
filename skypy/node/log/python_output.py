"""The text that Python itself writes to standard error in the node's process."""

from __future__ import annotations

import io
from collections.abc import Callable


class PythonOutput(io.TextIOBase):
    """A stand-in for `sys.stderr`: asyncio's complaints and warnings go into the log, line by line.

    The real stream would wait for its reader, and the whole node with it.
    """

    def __init__(self, note: Callable[[str], None]) -> None:
        """Make the stream. `note(line)` gets each line."""
        self._note = note
        self._partial_line = ""

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, text: str) -> int:
        """Take text; its last line waits until it is complete."""
        *lines, self._partial_line = (self._partial_line + text).split("\n")
        for line in lines:
            self._note(line)
        return len(text)
