"""What the service can tell of its sockets: its own counts, and what the kernel knows. Nothing is counted for this."""

from __future__ import annotations

from typing import Any

from skypy.core.address import format_endpoint
from skypy.core.socket_info import SocketInfo
from skypy.net.connected_socket import Stream
from skypy.net.listener import Listener


def row_of_listener(listener: Listener) -> tuple[Any, ...]:
    """The fields of its SocketInfo."""
    return SocketInfo(
        id=listener.id,
        kind="listener",
        state="LISTENING",
        owner=listener.owner,
        local=format_endpoint(*listener.local_address()),
        peer="",
        received=listener.accepted,
    ).to_plain()


def row_of_stream(stream: Stream) -> tuple[Any, ...]:
    """The fields of its SocketInfo. `unread` is what the kernel still holds; the owner's worker has its own part."""
    connection = stream.connection
    kernel = stream.tcp_info()
    in_kernel = stream.outstanding()
    unread = stream.unread()
    received = kernel.received - unread if connection.lent else connection.read  # a FIN counts as received
    return SocketInfo(
        id=connection.id,
        kind="connection",
        state=connection.state.name,
        owner=connection.owner,
        local=format_endpoint(*stream.local_address()),
        peer=format_endpoint(*stream.peer_address()),
        received=received,
        sent=kernel.acknowledged + in_kernel - stream.control_bytes,
        queued=in_kernel + connection.queue.size,
        unread=unread,
        last_received=kernel.last_data_received_seconds,
        last_sent=kernel.last_data_sent_seconds,
    ).to_plain()
