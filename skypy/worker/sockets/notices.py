"""Notices to an actor about its sockets: the functions that it has given to `onclose` and `onwarning`, or the log."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from skypy.core.close_reason import CloseReason
from skypy.worker.actors.actor import Actor, Life
from skypy.worker.actors.scheduler import Scheduler
from skypy.worker.sockets.stream_socket import StreamSocket
from skypy.worker.tasks.first_step import run_function

_log: Final = logging.getLogger("skypy")


class Notices:
    """The calls of these functions, each in a task of its own of the socket's owner."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def ended(self, socket: StreamSocket, reason: CloseReason) -> None:
        """Note that the peer has finished, or that the connection has ended, and tell the owner once of each."""
        known = socket.close_reason
        if known is not reason and (known is None or known is CloseReason.EOF):
            socket.close_reason = reason
            if socket.on_close is not None:
                self._call(socket, "onclose", socket.on_close, reason)

    def set_on_close(self, socket: StreamSocket, function: Callable[[int, str], Any]) -> None:
        """Call the function when the connection ends; soon, if it has ended already."""
        socket.on_close = function
        if socket.close_reason is not None:
            self._call(socket, "onclose", function, socket.close_reason)

    def backlog(self, socket: StreamSocket, unsent: int) -> None:
        """Tell the owner, or the log, that many bytes are unsent; 0: all of them have left."""
        if socket.on_warning is not None:
            self._call(socket, "onwarning", socket.on_warning, unsent)
        elif unsent:
            text = f"socket: {unsent} bytes wait to be sent on {socket.id}"
            _log.warning("%s", text, extra={"address": socket.reports_to.address})

    def _call(self, socket: StreamSocket, name: str, function: Callable[[int, Any], Any], news: object) -> None:
        if isinstance(news, CloseReason):  # a service gets the text, not our Enum
            news = str(news)
        if socket.reports_to.life is not Life.ENDED:
            coroutine = run_function(partial(function, socket.id, news))
            self._scheduler.fork(socket.reports_to, coroutine, f"{name} of {socket.peer}")


def log_error(actor: Actor, text: str) -> None:
    """Log an error about a socket of an actor."""
    _log.error("%s", text, extra={"address": actor.address})


def log_late_write(id_: int) -> None:
    """Log that a message to a socket was lost, the first time that this happens in the node."""
    _log.warning(
        "socket: a message to %d came after its end and is lost; from now on such messages are only counted, "
        "as writes_after_close",
        id_,
    )
