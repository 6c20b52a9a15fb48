"""The facts that the kernel tells of a TCP socket."""

from __future__ import annotations

import socket

from skypy.core.socket_info import TCP_INFO_SIZE, TcpInfo


def local_address(socket_: socket.SocketType) -> tuple[str, int]:
    """Return our (host, port)."""
    host, port = socket_.getsockname()[:2]
    return host, port


def peer_address(socket_: socket.SocketType) -> tuple[str, int]:
    """Return the peer's (host, port); ("", 0) when the connection has ended already."""
    try:
        host, port = socket_.getpeername()[:2]
    except OSError:
        return "", 0
    return host, port


def tcp_info(socket_: socket.SocketType) -> TcpInfo:
    """Return the kernel's positions and times of a connection."""
    return TcpInfo.parse(socket_.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_SIZE))


def take_error(socket_: socket.SocketType) -> int:
    """Return the errno that the kernel has for a socket, 0 for none (SO_ERROR). It is told once."""
    return socket_.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
