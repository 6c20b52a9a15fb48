"""The places that the node's log goes to: standard error, a file, a FIFO."""

from __future__ import annotations

import os
import select
import stat
from typing import Final

from skypy.system import standard_error

_MODE: Final = 0o640


class LogFile:
    """A descriptor to which whole lines are written. Every call may block; opening a FIFO does not."""

    def __init__(self, path: str | None) -> None:
        """Open the file to append to it, or take standard error for None. Raises OSError."""
        self._path = path
        self.descriptor = standard_error.DESCRIPTOR if path is None else _open(path)
        self.torn = path is not None and _is_torn(path)
        """True if the file ended in the middle of a line when it was opened."""

    @property
    def is_on_a_disk(self) -> bool:
        """True for a regular file."""
        return stat.S_ISREG(os.fstat(self.descriptor).st_mode)

    def reopen(self) -> None:
        """Go on in a new file after the old one was moved away. Raises OSError, and goes on in the old one."""
        if self._path is not None:
            descriptor = _open(self._path)
            os.close(self.descriptor)
            self.descriptor = descriptor
            self.torn = _is_torn(self._path)

    def write(self, piece: bytes) -> int:
        """Write the beginning of a piece as soon as there is room; return how many bytes. Raises OSError."""
        try:
            return os.write(self.descriptor, piece)
        except BlockingIOError:  # another program that shares standard error has set O_NONBLOCK on it
            poll = select.poll()
            poll.register(self.descriptor, select.POLLOUT)
            poll.poll()
            return 0

    def close(self) -> None:
        """Close the file; standard error stays open."""
        if self._path is not None:
            os.close(self.descriptor)


def _open(path: str) -> int:
    """Return a descriptor to append to.

    A FIFO is opened to read as well: opening it does not wait for a reader, and it stays while there is none.
    """
    try:
        is_fifo = stat.S_ISFIFO(os.stat(path).st_mode)
    except OSError:
        is_fifo = False
    access = os.O_RDWR if is_fifo else os.O_WRONLY
    return os.open(path, access | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY, _MODE)


def _is_torn(path: str) -> bool:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return False
        with open(path, "rb") as file:
            if file.seek(0, os.SEEK_END) == 0:
                return False
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"
    except OSError:  # a file that may be written and not read
        return False
