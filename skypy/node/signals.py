"""The signals that a node reacts to."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import Final

from skypy.node.log.sink import LogSink
from skypy.system.processes import reap_orphans
from skypy.system.terminal import controlling_terminal
from skypy.system.this_process import MEANINGLESS_SIGNALS, STOP_SIGNALS, ignores_hang_up

_SAME_SIGNAL_SECONDS: Final = 0.01


class SignalHandlers:
    """The handlers: a first SIGINT or SIGTERM stops the node, a second kills it, SIGHUP reopens the log.

    A node that was started in a terminal stops when the terminal is gone: unseen, it would keep its ports. Under nohup
    the terminal may go.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, log: LogSink, stop: Callable[[str], None], kill: Callable[[], None]
    ) -> None:
        """Handle signals from now on. `stop(reason)` ends the node in order, `kill()` ends it at once."""
        self._loop = loop
        self._log = log
        self._stop = stop
        self._kill = kill
        self._stopped_at: float | None = None
        self._terminal = None if ignores_hang_up() else controlling_terminal()
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, self._asked_to_stop)
        for number in MEANINGLESS_SIGNALS:
            loop.add_signal_handler(number, self._ignore, number.name)
        loop.add_signal_handler(signal.SIGHUP, self._hung_up)
        # A parent that ignores SIGCHLD hands that on by exec, and the kernel would forget every exit status.
        loop.add_signal_handler(signal.SIGCHLD, self._reap)
        self._reap()

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
        """Reopen a log that was moved away, or stop if the terminal is gone.

        Some terminals send SIGHUP before they go, and a shell passes it on to what runs in the background. No second
        signal need come then, so from now on the terminal itself is watched.
        """
        if self._terminal is None:
            self._log.reopen()
        elif self._terminal.is_gone:
            self._terminal_gone()
        else:
            self._log.reopen()
            self._loop.add_reader(self._terminal.watch(), self._terminal_gone)

    def _terminal_gone(self) -> None:
        if self._terminal is not None:
            self._loop.remove_reader(self._terminal.watch())
            self._terminal = None
            if self._stopped_at is None:  # a signal beside it, of a shell that ends too, is no wish for haste
                self._stopped_at = self._loop.time()
                self._stop("stopping: the terminal is gone")

    def _ignore(self, name: str) -> None:
        self._log.note(f"{name} is ignored: it has no meaning for a node")

    def _reap(self) -> None:
        """Reap what other processes have left to this one, where it is the first of a container."""
        if reap_orphans():
            self._loop.call_soon(self._reap)  # a child of the node stands before them, and is about to be waited for
