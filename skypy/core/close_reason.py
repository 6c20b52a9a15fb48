"""The reasons for the end of a connection: every end has one of these names, in logs, counters and `onclose`."""

from __future__ import annotations

from enum import StrEnum


class CloseReason(StrEnum):
    """The name of an end. Its text is what services read, count or print."""

    EOF = "eof"
    """The peer has finished its half; ours may still be open."""
    CLOSED = "closed"
    """The actor has closed the connection, and the peer has everything."""
    SHUTDOWN = "shutdown"
    """The actor has dropped the connection."""
    ABORTED = "aborted"
    """The actor has reset the connection."""
    RESET = "reset"
    """The peer or the network has broken the connection."""
    LINGER = "linger"
    """Closed, everything acknowledged, and the peer did not end its half within `linger`."""
    FLUSH_TIMEOUT = "flush_timeout"
    """Closed, and the peer took nothing for `flush_timeout`."""
    HALF_CLOSE_TIMEOUT = "half_close_timeout"
    """The peer had finished, and nothing was written for `half_close_timeout`."""
    CLAIM_TIMEOUT = "claim_timeout"
    """Accepted, and not started by any actor within `claim_timeout`."""
    WRITE_LIMIT = "write_limit"
    """More was written than `write_limit` bytes that the peer did not take."""
    BUFFER_LIMIT = "buffer_limit"
    """The peer sent more than `limit(fd, n)` bytes that were not read."""
    WORKER_DIED = "worker_died"
    """The process of the actor that owned the connection has ended."""
    NODE_STOPPED = "node_stopped"
    """The node was stopping and had no more time."""
    NOT_CONNECTED = "not_connected"
    """The connection was never made: refused, unreachable, or no longer wanted."""
    SOCKET_SERVICE_GONE = "socket_service_gone"
    """The socket service has ended, and every connection with it."""
    INTERNAL_ERROR = "internal_error"
    """A bug in skypy, which the log shows."""
