"""The signals that a node reacts to."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import Final

from skypy.node.log.sink import LogSink
from skypy.system import standard_error
from skypy.system.this_process import STOP_SIGNALS, ignores_hang_up

_SAME_SIGNAL_SECONDS: Final = 0.01


class SignalHandlers:
    """The handlers: a first SIGINT or SIGTERM stops the node, a second kills it, SIGHUP reopens the log."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, log: LogSink, stop: Callable[[str], None], kill: Callable[[], None]
    ) -> None:
        """Handle signals from now on. `stop(reason)` ends the node in order, `kill()` ends it at once."""
        self._loop = loop
        self._log = log
        self._stop = stop
        self._kill = kill
        self._stopped_at: float | None = None
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, self._asked_to_stop)
        if not (ignores_hang_up() and log.is_standard_error):  # under nohup the terminal may go
            loop.add_signal_handler(signal.SIGHUP, self._hung_up)

    def _asked_to_stop(self) -> None:
        now = self._loop.time()
        if self._stopped_at is None:
            self._stop("stopping; a second signal ends the node at once")
        elif now - self._stopped_at < _SAME_SIGNAL_SECONDS:
            return  # sent to the process and to its group, as timeout(1) does: that is one signal
        else:
            self._kill()
        self._stopped_at = now

    def _hung_up(self) -> None:
        """Reopen a log that was moved away, or stop if the terminal is gone: an unseen node would keep its ports."""
        if self._log.is_standard_error and standard_error.is_terminal():
            self._asked_to_stop()
        else:
            self._log.reopen()
