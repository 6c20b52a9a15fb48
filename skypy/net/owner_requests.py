"""The requests that a worker makes of a connection that it owns: for each kind, what is asked of the Connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from skypy.core.close_reason import CloseReason
from skypy.core.tcp.state import OWNED
from skypy.core.wire import socket_lane
from skypy.net.connected_socket import ConnectedSocket
from skypy.system.poller import WRITABLE
from skypy.system.socket_kernel import SocketKernel


def serve(connected: ConnectedSocket, kind: int, fields: Sequence[Any]) -> None:
    """Serve a request; `fields` are those of the message behind the socket's id."""
    OWNER_REQUESTS[kind](connected, *fields)
    connected.update_interest()


def end_after_worker(connected: ConnectedSocket, kernel: SocketKernel, *, missing: bool) -> None:
    """End a connection whose worker has died. `missing`: the worker had output that it has not handed over.

    Bytes that the kernel has not sent yet say the same as bytes that wait here: the worker was ahead of the peer.
    """
    if connected.connection.queue.size:
        connected.handle(WRITABLE)  # what came with the last batch may find room
    connection = connected.connection
    if connection.state in OWNED:
        missing = missing or kernel.unsent(connected.socket) > 0
        connected.perform(connection.close(CloseReason.WORKER_DIED, missing=missing))
    connected.update_interest()


def _credit(connected: ConnectedSocket, limit: int, owner: int = 0) -> None:
    connected.connection.credit(limit, owner)


def _write(connected: ConnectedSocket, position: int, messages: Sequence[tuple[int, bytes]], error: int) -> None:
    connected.perform(connected.connection.write(position, messages, error))


def _shutdown(connected: ConnectedSocket, how: str) -> None:
    connected.perform(connected.connection.shutdown(how))


def _close(connected: ConnectedSocket, reason: str = CloseReason.CLOSED) -> None:
    connected.perform(connected.connection.close(CloseReason(reason)))


def _abort(connected: ConnectedSocket, by_reset: bool, reason: str = CloseReason.SHUTDOWN) -> None:
    connected.perform(connected.connection.abort(CloseReason(reason), by_reset=by_reset))


def _break(connected: ConnectedSocket, error: int, reason: str) -> None:
    connected.perform(connected.connection.break_off(error, CloseReason(reason)))


def _return(connected: ConnectedSocket, position: int, limit: int, error: int) -> None:
    connected.perform(connected.connection.returned(position, limit, error))


def _yield(connected: ConnectedSocket, *last_words: Any) -> None:
    connection = connected.connection
    handed_over = connection.yielded(*last_words)
    if handed_over is None:
        connected.perform(connection.close(CloseReason.WORKER_DIED))
    else:
        connection.worker.send_with_descriptor(handed_over, connected.fileno())
        connected.perform(connection.resume())


OWNER_REQUESTS: Final[Mapping[int, Callable[..., None]]] = {
    socket_lane.CREDIT: _credit,
    socket_lane.WRITE: _write,
    socket_lane.SHUTDOWN: _shutdown,
    socket_lane.CLOSE: _close,
    socket_lane.ABORT: _abort,
    socket_lane.BREAK: _break,
    socket_lane.RETURN: _return,
    socket_lane.YIELD: _yield,
}
