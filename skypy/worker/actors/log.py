"""Logging in a worker: every line carries the address of the actor that wrote it, `[:0100000a] text`."""

from __future__ import annotations

import logging
import sys
from typing import Final

from skypy.core.address import format_address
from skypy.core.log_line import log_line
from skypy.system import standard_error
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


class _OneWriteHandler(logging.Handler):
    """A handler that writes each record to standard error at once, from where the node puts it into the log."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            standard_error.write_line(self.format(record))
        except OSError:
            pass  # the node is gone, and this process will be in a moment
        except Exception:
            self.handleError(record)


def set_up_logging(process_name: str) -> None:
    """Send records from INFO on to the node's log; lines that belong to no actor carry the name of the process."""
    handler = _OneWriteHandler()
    handler.setFormatter(AddressFormatter(process_name))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
