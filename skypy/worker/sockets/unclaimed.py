"""Connections that no actor has started: each is closed after the claim timeout."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from skypy.core.close_reason import CloseReason
from skypy.worker.sockets.notices import log_error
from skypy.worker.sockets.stream_socket import StreamSocket


class Unclaimed:
    """The connections of a worker that were accepted or abandoned, and wait for an actor to start them."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, claim_timeout: float, close: Callable[[StreamSocket, CloseReason], None]
    ) -> None:
        """Begin with none. `close` closes a connection after `claim_timeout` seconds."""
        self._loop = loop
        self._claim_timeout = claim_timeout
        self._close = close
        self._timers: dict[int, asyncio.TimerHandle] = {}

    def add(self, socket: StreamSocket) -> None:
        """Close the connection if no actor starts it within the claim timeout, which begins now."""
        self.discard(socket)
        self._timers[socket.id] = self._loop.call_later(self._claim_timeout, self._timed_out, socket)

    def discard(self, socket: StreamSocket) -> None:
        """Stop the timeout: an actor has started the connection, or it ends. Harmless when there is none."""
        timer = self._timers.pop(socket.id, None)
        if timer is not None:
            timer.cancel()

    def _timed_out(self, socket: StreamSocket) -> None:
        log_error(
            socket.reports_to,
            f"socket: {socket.id} from {socket.peer} was not started by any actor within "
            f"claim_timeout ({self._claim_timeout:g} s): closed",
        )
        self._close(socket, CloseReason.CLAIM_TIMEOUT)
