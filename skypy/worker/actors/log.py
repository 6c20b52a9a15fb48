"""Logging in a worker: every line carries the address of the actor that wrote it, `[:0100000a] text`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from typing import Final

from skypy.core.address import format_address
from skypy.core.log_line import log_line
from skypy.system.log.pipe import LogPipe
from skypy.worker.actors.actor import actor_of

_CONTROL_CHARACTERS: Final = {code: f"\\x{code:02x}" for code in (*range(0x20), 0x7F) if chr(code) not in "\t\n"}
"""The characters that are escaped, so that text from a peer cannot forge lines or steer a terminal."""


class AddressFormatter(logging.Formatter):
    """A formatter that puts the address of the actor, or the name of the process, in front of every line."""

    def __init__(self, process_name: str) -> None:
        super().__init__()
        self._process_name = process_name

    def format(self, record: logging.LogRecord) -> str:
        address = getattr(record, "address", None)
        if address is None:
            actor = actor_of(None)
            address = actor.address if actor is not None else None
        writer = self._process_name if address is None else format_address(address)
        text = super().format(record).translate(_CONTROL_CHARACTERS)
        return "\n".join(log_line(writer, line) for line in text.split("\n"))


class LogPipeHandler(logging.Handler):
    """A handler that writes each record to standard error at once, from where the node puts it into the log.

    If the node does not read, the records wait, and are lost when there are too many; no thread of this process waits.
    """

    def __init__(self, process_name: str) -> None:
        super().__init__()
        self._pipe = LogPipe(process_name)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_watched = False

    def write_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let a loop write the records that wait."""
        self._loop = loop

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._pipe.write_line(self.format(record))
        except OSError:
            pass  # the node is gone, and this process will be in a moment
        except Exception:
            self.handleError(record)
        if self._pipe.is_behind and not self._is_watched and self._loop is not None:
            self._is_watched = True
            self._loop.call_soon_threadsafe(self._loop.add_writer, self._pipe, self._pipe_has_room)

    def flush(self) -> None:
        """Write the records that wait, if the node reads; `logging` calls it at the end of the process."""
        with self.lock or contextlib.nullcontext(), contextlib.suppress(OSError):
            self._pipe.flush()

    def _pipe_has_room(self) -> None:
        assert self._loop is not None
        assert self.lock is not None
        with self.lock:
            with contextlib.suppress(OSError):
                self._pipe.write_waiting()
            if not self._pipe.is_behind:
                self._is_watched = False
                self._loop.remove_writer(self._pipe)


def set_up_logging(process_name: str) -> LogPipeHandler:
    """Send records from INFO on to the node's log, and return the handler that does.

    Lines that belong to no actor carry the name of the process.
    """
    handler = LogPipeHandler(process_name)
    handler.setFormatter(AddressFormatter(process_name))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    return handler
