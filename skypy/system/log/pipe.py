"""The way of a child's log lines to the node."""

from __future__ import annotations

import os
import select
import stat
from typing import Final

from skypy.core.log_line import log_line
from skypy.core.log_queue import LogQueue, describe_loss
from skypy.system import standard_error

_WAITING_BYTES: Final = 1 << 20
"""The most that waits for a node that does not read."""
_FAREWELL_MILLISECONDS: Final = 1000
"""The longest that the end of a process waits for a node that does not read."""


class LogPipe:
    """The pipe behind standard error, written to without waiting for the node to read.

    Programs that services start share standard error, so it must stay blocking. The pipe is opened a second time
    instead: that descriptor has a mode of its own.
    """

    def __init__(self, title: str) -> None:
        """Open the pipe. `title` is the process's, for the line that counts those that were lost."""
        self._queue = LogQueue(_WAITING_BYTES, lambda count: log_line(title, describe_loss(count)).encode() + b"\n")
        self._descriptor = _open_again()
        os.register_at_fork(after_in_child=self._forked)

    def _forked(self) -> None:
        """Be the log of a forked child, which has standard error alone; the lines that wait are the parent's."""
        self._queue.clear()
        if self._descriptor != standard_error.DESCRIPTOR:
            os.close(self._descriptor)
            self._descriptor = standard_error.DESCRIPTOR

    def fileno(self) -> int:
        """Return the descriptor, to wait until there is room."""
        return self._descriptor

    def write_line(self, text: str) -> None:
        """Write one entry, which needs no newline at its end. Raises OSError when the node is gone."""
        data = text.encode("utf-8", "backslashreplace") + b"\n"
        self._queue.put(data)
        self.write_waiting()

    @property
    def is_behind(self) -> bool:
        """True if there are lines to write once the pipe has room."""
        return bool(self._queue)

    def write_waiting(self) -> None:
        """Write the lines that wait, as far as the pipe takes them. Raises OSError when the node is gone."""
        queue = self._queue
        try:
            while piece := queue.next_piece():
                queue.written(os.write(self._descriptor, piece))
        except BlockingIOError:
            pass
        except OSError:
            queue.clear()
            raise

    def flush(self) -> None:
        """Write the lines that wait, for a node that reads. Raises OSError when the node is gone."""
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        while self._queue and poll.poll(_FAREWELL_MILLISECONDS):
            self.write_waiting()


def _open_again() -> int:
    try:
        if stat.S_ISFIFO(os.fstat(standard_error.DESCRIPTOR).st_mode):
            path = f"/proc/self/fd/{standard_error.DESCRIPTOR}"
            return os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:  # no /proc
        pass
    return standard_error.DESCRIPTOR
