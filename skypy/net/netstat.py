"""The rows of netstat: the counts of the socket service, and the kernel's. Nothing is counted for this alone."""

from __future__ import annotations

from typing import Any

from skypy.core.address import format_endpoint
from skypy.core.socket_info import SocketInfo
from skypy.net.connected_socket import ConnectedSocket
from skypy.net.kernel_facts import local_address, peer_address, tcp_info
from skypy.net.listener import Listener
from skypy.system.socket_kernel import SocketKernel


def row_of_listener(listener: Listener) -> tuple[Any, ...]:
    """Return the fields of a listener's SocketInfo."""
    return SocketInfo(
        id=listener.id,
        kind="listener",
        state="LISTENING",
        owner=listener.owner,
        local=format_endpoint(*local_address(listener.socket)),
        peer="",
        received=listener.accepted,
    ).to_plain()


def row_of_connection(connected: ConnectedSocket, kernel: SocketKernel) -> tuple[Any, ...]:
    """Return the fields of a connection's SocketInfo.

    `unread` counts the bytes that the kernel still holds; those in the owner's worker are known there.
    """
    connection = connected.connection
    info = tcp_info(connected.socket)
    in_kernel = connected.outstanding()
    unread = kernel.unread(connected.socket)
    lent = connection.input.lent
    return SocketInfo(
        id=connection.id,
        kind="connection",
        state=connection.state.name,
        owner=connection.owner,
        local=format_endpoint(*local_address(connected.socket)),
        peer=format_endpoint(*peer_address(connected.socket)),
        received=info.received - unread if lent else connection.input.read,  # a FIN counts as received
        sent=info.acknowledged + in_kernel - connected.control_bytes,
        queued=in_kernel + connection.queue.size,
        unread=unread,
        last_received=info.last_data_received_seconds,
        last_sent=info.last_data_sent_seconds,
    ).to_plain()
