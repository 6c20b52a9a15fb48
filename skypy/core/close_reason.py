"""Why a connection has ended: every end has exactly one of these names, in logs, counters and `onclose`."""

from __future__ import annotations

from enum import StrEnum


class CloseReason(StrEnum):
    """The name of an end. What a service reads, counts or prints is the text."""

    EOF = "eof"
    """The peer has finished its half; ours may still be open."""
    CLOSED = "closed"
    """The actor has closed it, and the peer has everything."""
    SHUTDOWN = "shutdown"
    """The actor has dropped it."""
    ABORTED = "aborted"
    """The actor has reset it."""
    RESET = "reset"
    """The peer or the network has broken it."""
    LINGER = "linger"
    """Closed, everything acknowledged, and the peer did not end its half within `linger`."""
    FLUSH_TIMEOUT = "flush_timeout"
    """Closed, and the peer took nothing for `flush_timeout`."""
    HALF_CLOSE_TIMEOUT = "half_close_timeout"
    """The peer had finished, and nothing was written for `half_close_timeout`."""
    CLAIM_TIMEOUT = "claim_timeout"
    """Accepted, and started by nobody within `claim_timeout`."""
    WRITE_LIMIT = "write_limit"
    """More was written than `write_limit` bytes that the peer did not take."""
    BUFFER_LIMIT = "buffer_limit"
    """The peer sent more than `limit(fd, n)` bytes that nobody read."""
    WORKER_DIED = "worker_died"
    """The process of the actor that owned it has ended."""
    NODE_STOPPED = "node_stopped"
    """The node had no more time for it."""
    NOT_CONNECTED = "not_connected"
    """It never came to be: refused, unreachable, or no longer wanted."""
    SERVICE_GONE = "service_gone"
    """The socket service has ended, and every connection with it."""
    INTERNAL_ERROR = "internal_error"
    """A bug in skypy, which the log shows."""
