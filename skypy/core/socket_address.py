"""The address of a peer: a text with parts."""

from __future__ import annotations

from skypy.core.address import format_endpoint


class SocketAddress(str):
    """`host:port` as text, IPv6 in brackets, as `accept` functions get it; the parts are there too.

    The text is all that is kept: each connection has one.
    """

    __slots__ = ()

    def __new__(cls, host: str, port: int) -> SocketAddress:
        """Format an address."""
        return str.__new__(cls, format_endpoint(host, port))

    @property
    def host(self) -> str:
        """The host, without brackets; "" when the kernel does not know any more."""
        return self.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port; 0 when the kernel does not know any more."""
        return int(self.rpartition(":")[2] or 0)
