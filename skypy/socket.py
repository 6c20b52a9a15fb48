"""TCP sockets for services; see `socket_api` and `socket_watch_api` in `skypy.worker` for what each verb promises."""

from skypy.core.close_reason import CloseReason
from skypy.core.socket_address import SocketAddress
from skypy.core.socket_info import SocketInfo
from skypy.worker.verbs.sockets import (
    abort,
    close,
    drain,
    listen,
    open,  # noqa: A004 - the verb of skynet
    read,
    readall,
    readline,
    shutdown,
    start,
    write,
)
from skypy.worker.verbs.watching import (
    abandon,
    counters,
    disconnected,
    info,
    invalid,
    limit,
    local_address,
    netstat,
    onclose,
    onwarning,
    pause,
    peer_address,
    resume,
)

__all__ = [
    "CloseReason",
    "SocketAddress",
    "SocketInfo",
    "abandon",
    "abort",
    "close",
    "counters",
    "disconnected",
    "drain",
    "info",
    "invalid",
    "limit",
    "listen",
    "local_address",
    "netstat",
    "onclose",
    "onwarning",
    "open",
    "pause",
    "peer_address",
    "read",
    "readall",
    "readline",
    "resume",
    "shutdown",
    "start",
    "write",
]
