"""Main of a worker's process in a node under test.

It marks error lines for the test, and complains at its end about files and sockets that were left open in it.
"""

from __future__ import annotations

import gc
import logging
import os
import socket
import sys
import warnings
from typing import Any, Final

from skypy.core.log_line import log_line
from skypy.node.worker_process import WorkerProcess, main
from skypy.system.forks.pools import be_a_spawned_process
from skypy.testing.leaks import open_files, sockets_of

ERROR_MARK: Final = "\x1e"
"""The mark before the first line of an error. No other text of the log has it: control characters are escaped."""
MORE_MARK: Final = "\x1f"
"""The mark before each further line of an error."""


class _MarkingFormatter(logging.Formatter):
    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self._formatter = formatter

    def format(self, record: logging.LogRecord) -> str:
        text = self._formatter.format(record)
        return ERROR_MARK + text.replace("\n", "\n" + MORE_MARK) if record.levelno >= logging.ERROR else text


class RealWorkerProcess(WorkerProcess):
    """The real worker process, with a look at its descriptors before and after."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        for handler in logging.getLogger().handlers:
            assert handler.formatter is not None
            handler.setFormatter(_MarkingFormatter(handler.formatter))
        self._open = open_files()

    def run(self) -> int:
        warnings.simplefilter("always", ResourceWarning)  # closed by the garbage collector only
        status = super().run()
        gc.collect()
        held = self._open.keys() | sockets_of(self.worker)
        for descriptor, file in open_files().items():
            if descriptor in held:
                continue
            if file.startswith("/"):
                self._complain(f"files left open: {file} (descriptor {descriptor})")
            elif file.startswith("socket:") and _is_of_the_internet(descriptor):
                self._complain(f"sockets left: {file} (descriptor {descriptor})")
        return status

    @staticmethod
    def _complain(text: str) -> None:
        os.write(2, f"{log_line(sys.argv[2], text)}\n".encode())


def _is_of_the_internet(descriptor: int) -> bool:
    """Return True for TCP and UDP, False for a lane or the bus, which end with the process."""
    with socket.socket(fileno=os.dup(descriptor)) as duplicate:
        return duplicate.family in (socket.AF_INET, socket.AF_INET6)


if __name__ == "__main__":
    main(RealWorkerProcess)
elif __name__ == "__mp_main__":  # see the main module of workers
    be_a_spawned_process()
