"""The thread that writes lines to one file, FIFO or terminal."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from skypy.core.log_queue import LogQueue
from skypy.system.kernel import LINUX
from skypy.system.log.file import LogFile
from skypy.system.this_process import hold_back_signals

_WAITING_BYTES: Final = 1 << 20
"""The most that waits for the reader: some thousand lines."""
_RETRY_SECONDS: Final = 0.5
"""The time between two attempts to write to a file that cannot be written, as on a full disk."""


class LogWriter:
    """A queue of lines and the thread that writes them: a write may wait for ever, for a pager, a terminal or a disk.

    The thread is a daemon, and its signals are held back: one that is stuck in a write ends with the process.
    """

    def __init__(
        self, file: LogFile, loss_line: Callable[[int], bytes], complain: Callable[[str], None] = lambda _: None
    ) -> None:
        """Write to `file`, which belongs to the thread from now on.

        `loss_line(count)` returns the line that says how many were lost. `complain(text)` is called in the thread when
        the file cannot be written, once until it can, and when it cannot be opened anew.
        """
        self._file = file
        self._complain = complain
        self._queue = LogQueue(_WAITING_BYTES, loss_line)
        if file.torn:
            self._queue.end_torn_line()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._writing_since: float | None = None
        self._failing = False
        self._reopens = False
        self._ends = False

    def put(self, lines: bytes) -> None:
        """Write whole lines, each with its newline, in a while; those without room in the queue are lost."""
        with self._changed:
            self._queue.put(lines)
            self._wake()

    def reopen(self) -> None:
        """Open the file anew before the next line."""
        with self._changed:
            self._reopens = True
            self._wake()

    def close(self, seconds: float) -> int:
        """Give the thread some time to write everything, and end it; return how many lines were not written.

        A write that has lasted as long already is not waited for.
        """
        with self._changed:
            self._ends = True
            self._changed.notify()
            since, thread = self._writing_since, self._thread
        if thread is not None and (since is None or LINUX.now() - since < seconds):
            thread.join(seconds)
        with self._changed:
            if thread is None or not thread.is_alive():
                self._file.close()
            return self._queue.clear()

    def _wake(self) -> None:
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="log", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                return  # no thread is to be had now: the next line tries again
            self._thread = thread
        else:
            self._changed.notify()

    # -- in the thread --

    def _run(self) -> None:
        hold_back_signals()
        while True:
            with self._changed:
                self._writing_since = None
                self._changed.wait_for(lambda: self._queue or self._reopens or self._ends)
                if self._reopens:
                    piece = None
                elif not (piece := self._queue.next_piece()):
                    return
                self._reopens = False
                self._writing_since = LINUX.now()
            goes_on = self._reopen() if piece is None else self._write(piece)
            if not goes_on:
                return

    def _reopen(self) -> bool:
        try:
            self._file.reopen()
        except OSError as error:
            self._complain(f"the log stays in the old file: {error}")
            return True
        with self._changed:
            self._queue.begin_file()
            if self._file.torn:
                self._queue.end_torn_line()
        return True

    def _write(self, piece: bytes) -> bool:
        """Write a piece; return False if that fails while the writer is to end."""
        try:
            count = self._file.write(piece)
        except OSError as error:
            if not self._failing:
                self._complain(f"the log cannot be written for now: {error.strerror}")
            self._failing = True
            return self._wait_to_retry()
        self._failing = False
        with self._changed:
            if self._queue:
                self._queue.written(count)
        return True

    def _wait_to_retry(self) -> bool:
        with self._changed:
            self._writing_since = None
            if self._ends:
                return False
            self._changed.wait_for(lambda: self._ends or self._reopens, _RETRY_SECONDS)
        return True
