"""TCP sockets for services; see `skypy.worker.socket_api` for what each verb promises."""

from skypy.worker.socket import SocketAddress
from skypy.worker.socket_api import (
    close,
    drain,
    listen,
    local_address,
    open,  # noqa: A004 - the verb of skynet
    peer_address,
    read,
    readall,
    readline,
    shutdown,
    start,
    write,
)

__all__ = [
    "SocketAddress",
    "close",
    "drain",
    "listen",
    "local_address",
    "open",
    "peer_address",
    "read",
    "readall",
    "readline",
    "shutdown",
    "start",
    "write",
]
