"""The deadlines of a connected socket: for the end of a closed connection, and for a half-closed one.

A socket waits for one of them at a time. None of them is a plain timeout: each looks again, and ends the wait only when
the kernel says that nothing has moved.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from skypy.core.tcp.patience import Patience
from skypy.net.reactor import Handler, Timer
from skypy.net.shared import Shared

_CLOSED_SOON_SECONDS: Final = 0.05
"""An owner that has not closed by then when its peer has finished goes on with the half that is open."""
_SHORTEST_LOOK_SECONDS: Final = 0.005
"""The first wait for the peer's acknowledgement of our FIN; later ones are ever longer."""


class Deadline:
    """A call of the reactor that is made again and again until the wait is over."""

    __slots__ = ("_handler", "_shared", "_timer")

    def __init__(self, shared: Shared, handler: Handler) -> None:
        self._shared = shared
        self._handler = handler
        self._timer: Timer | None = None

    def cancel(self) -> None:
        """Wait no longer."""
        if self._timer is not None:
            self._shared.reactor.cancel(self._timer)
            self._timer = None

    def _call_at(self, when: float, look: Callable[[float], None]) -> None:
        self.cancel()
        self._timer = self._shared.reactor.call_at(when, self._handler, look)


class EndDeadline(Deadline):
    """The time that a closed connection may still take: to deliver its output, then until the peer ends its half."""

    __slots__ = ("_ends_delivered", "_patience", "_since", "_too_late", "_undelivered")

    def __init__(
        self,
        shared: Shared,
        handler: Handler,
        undelivered: Callable[[], int],
        too_late: Callable[[], None],
        ends_delivered: Callable[[], bool] | None,
    ) -> None:
        """`undelivered` counts the bytes that the peer has not acknowledged, `too_late` is called when time is over.

        `ends_delivered`, where the peer's FIN is refused, ends the connection once everything is acknowledged, our FIN
        included, and returns True then. The kernel reports nothing of that, so it is asked soon and then more seldom.
        """
        super().__init__(shared, handler)
        settings = shared.settings
        self._since = shared.reactor.now()
        self._undelivered = undelivered
        self._too_late = too_late
        self._ends_delivered = ends_delivered
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


class AnswerDeadline(Deadline):
    """The time in which the owner has to write to a connection that its peer has finished, or to close it.

    Mostly the owner closes at once, so only a connection that is half closed for longer is watched for a reset: that
    takes one call of epoll for a connection that is closed soon, not two.
    """

    __slots__ = ("_silent_seconds", "_too_late", "_watch")

    def __init__(
        self,
        shared: Shared,
        handler: Handler,
        watch: Callable[[], None],
        silent_seconds: Callable[[], float],
        too_late: Callable[[], None],
    ) -> None:
        """`watch` is called when the owner has not closed soon, `silent_seconds` tells how long nothing was written."""
        super().__init__(shared, handler)
        self._watch = watch
        self._silent_seconds = silent_seconds
        self._too_late = too_late

    def start(self) -> None:
        """Begin the wait."""
        self._call_at(self._shared.reactor.now() + _CLOSED_SOON_SECONDS, self._not_closed_soon)

    def look(self, now: float) -> None:
        """End the connection if nothing was written for long enough, or look again when that could be so."""
        left = self._shared.settings.half_close_timeout - self._silent_seconds()
        if left > 0:
            self._call_at(now + left, self.look)
        else:
            self._too_late()

    def _not_closed_soon(self, now: float) -> None:
        self._watch()
        self._call_at(now + self._shared.settings.half_close_timeout, self.look)
