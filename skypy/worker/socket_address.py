"""The address of a peer, as text that has parts."""

from __future__ import annotations

from skypy.core.address import format_endpoint


class SocketAddress(str):
    """`host:port` as text, IPv6 in brackets, as `accept` functions get it; the parts are there too."""

    __slots__ = ("host", "port")

    host: str
    port: int

    def __new__(cls, host: str, port: int) -> SocketAddress:
        """The text of an address."""
        address = super().__new__(cls, format_endpoint(host, port))
        address.host = host
        address.port = port
        return address
