"""The deadlines of a connected socket: for the end of a closed connection, and for a half-closed one.

Neither is a plain timeout. Each looks again and again, and ends the wait only when the kernel says that nothing has
moved for long enough.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Final

from skypy.core.timing.patience import Patience
from skypy.net.kernel_facts import tcp_info
from skypy.net.shared import Shared

CallAt = Callable[[float, Callable[[float], None]], None]
"""A function that calls another once a time has passed (on the reactor's clock), in place of an earlier call."""

_SHORTEST_LOOK_SECONDS: Final = 0.005
"""The first wait for the peer's acknowledgement of our FIN; later ones are ever longer."""


class EndDeadline:
    """The time that a closed connection may still take: to deliver its output, then until the peer ends its half."""

    __slots__ = ("_call_at", "_ends_delivered", "_patience", "_shared", "_since", "_too_late", "_undelivered")

    def __init__(
        self,
        shared: Shared,
        call_at: CallAt,
        undelivered: Callable[[], int],
        too_late: Callable[[], None],
        ends_delivered: Callable[[], bool] | None,
    ) -> None:
        """`undelivered` counts the bytes that the peer has not acknowledged, `too_late` is called when time is over.

        `ends_delivered`, where the peer's FIN is refused, ends the connection once everything is acknowledged, our FIN
        included, and returns True then. The kernel reports nothing of that, so it is asked soon and then more seldom.
        """
        settings = shared.settings
        self._shared = shared
        self._call_at = call_at
        self._undelivered = undelivered
        self._too_late = too_late
        self._ends_delivered = ends_delivered
        self._since = shared.reactor.now()
        self._patience = Patience(
            self._since, undelivered(), flush_timeout=settings.flush_timeout, linger=settings.linger
        )

    def start(self) -> None:
        """Look for the first time, now."""
        self._look(self._since)

    def _look(self, now: float) -> None:
        self._patience.linger = self._shared.settings.linger  # shorter while the node stops
        again = self._patience.look(now, self._undelivered())
        if self._ends_delivered is not None:
            if self._ends_delivered():
                return
            soon = now + max(_SHORTEST_LOOK_SECONDS, (now - self._since) / 2)
            again = again and min(again, soon)
        if again is not None:
            self._call_at(again, self._look)
        else:
            self._too_late()


class AnswerDeadline:
    """The time in which the owner has to write to a connection that its peer has finished, or to close it."""

    __slots__ = ("_call_at", "_shared", "_socket", "_too_late")

    def __init__(
        self, shared: Shared, call_at: CallAt, socket_: socket.SocketType, too_late: Callable[[], None]
    ) -> None:
        """`too_late` is called when nothing was written to the socket for long enough.

        The kernel is asked for the time of the last write, because the owner's worker writes without a word to us.
        """
        self._shared = shared
        self._call_at = call_at
        self._socket = socket_
        self._too_late = too_late

    def start(self, now: float) -> None:
        """Look for the first time when the owner has had its time."""
        self._call_at(now + self._shared.settings.half_close_timeout, self.look)

    def look(self, now: float) -> None:
        """End the connection if nothing was written for long enough, or look again when that could be so."""
        left = self._shared.settings.half_close_timeout - tcp_info(self._socket).last_data_sent_seconds
        if left > 0:
            self._call_at(now + left, self.look)
        else:
            self._too_late()
