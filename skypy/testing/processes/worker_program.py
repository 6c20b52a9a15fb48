"""A worker's process under test: it marks error lines for the test, and says at its end what was left open in it."""

from __future__ import annotations

import gc
import logging
import os
import socket
import sys
import warnings
from typing import Any, Final

from skypy.node.worker_process import WorkerProcess, main
from skypy.testing.leaks import open_files, sockets_of

ERROR_MARK: Final = "\x1e"
"""Before the first line of an error. Nothing that is logged has control characters: they are escaped."""
MORE_MARK: Final = "\x1f"
"""Before the others."""


class _MarkingFormatter(logging.Formatter):
    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self._formatter = formatter

    def format(self, record: logging.LogRecord) -> str:
        text = self._formatter.format(record)
        return ERROR_MARK + text.replace("\n", "\n" + MORE_MARK) if record.levelno >= logging.ERROR else text


class RealWorkerProcess(WorkerProcess):
    """The real one; afterwards only what was open before may be open."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        for handler in logging.getLogger().handlers:
            assert handler.formatter is not None
            handler.setFormatter(_MarkingFormatter(handler.formatter))
        self._open = open_files()

    def run(self) -> int:
        warnings.simplefilter("always", ResourceWarning)  # what the garbage collector closes is told as well
        status = super().run()
        gc.collect()
        held = self._open.keys() | sockets_of(self.worker)
        for number, file in open_files().items():
            if number in held:
                continue
            if file.startswith("/"):
                self._complain(f"files left open: {file} (descriptor {number})")
            elif file.startswith("socket:") and _is_of_the_internet(number):
                self._complain(f"sockets left: {file} (descriptor {number})")
        return status

    @staticmethod
    def _complain(text: str) -> None:
        os.write(2, f"[{sys.argv[2]}] {text}\n".encode())


def _is_of_the_internet(number: int) -> bool:
    """And not of a lane or the bus, which end with the process."""
    with socket.socket(fileno=os.dup(number)) as duplicate:
        return duplicate.family in (socket.AF_INET, socket.AF_INET6)


if __name__ == "__main__":
    main(RealWorkerProcess)
