"""The address that an `accept` function gets: text, with its parts."""

from __future__ import annotations

import pytest

from skypy.core.socket_address import SocketAddress


@pytest.mark.parametrize(
    ("host", "port", "text"),
    [
        ("127.0.0.1", 8888, "127.0.0.1:8888"),
        ("::1", 1, "[::1]:1"),
        ("fe80::1%eth0", 65535, "[fe80::1%eth0]:65535"),
        ("", 0, ""),
    ],
)
def test_the_parts_are_what_the_text_was_made_of(host: str, port: int, text: str) -> None:
    address = SocketAddress(host, port)
    assert address == text
    assert (address.host, address.port) == (host, port)
