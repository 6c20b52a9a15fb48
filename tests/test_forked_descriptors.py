"""The descriptors that a forked child closes: those that are skypy's, told by what the kernel knows of them."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable

import pytest

from skypy.lane.lane import lane_pair
from skypy.system.forks.descriptors import close_descriptors_of_skypy, maker_of_pair
from skypy.system.socket_kernel import LINUX


def is_closed_in_child(make: Callable[[], socket.SocketType]) -> bool:
    """Return True if a child of this process, which stands for the node, closes a socket; `make` is called here."""
    with contextlib.closing(make()) as made:
        if not (child := os.fork()):
            try:
                close_descriptors_of_skypy(os.getppid())
                os.fstat(made.fileno())
            except OSError:
                os._exit(1)
            finally:
                os._exit(0)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1


def lane() -> socket.SocketType:
    ours, theirs = lane_pair()
    theirs.close()
    return ours


def client_of_listener() -> socket.SocketType:
    with LINUX.listening_socket((socket.AF_INET, "127.0.0.1", 0), 10) as listening:
        listening.setblocking(True)
        with socket.create_connection(listening.getsockname()):
            return LINUX.accept(listening)[0]


@pytest.mark.parametrize(
    "make",
    [
        lane,
        client_of_listener,
        lambda: LINUX.stream_socket(socket.AF_INET),
        lambda: LINUX.stream_socket(socket.AF_INET6),
        lambda: LINUX.listening_socket((socket.AF_INET, "127.0.0.1", 0), 10),
    ],
    ids=["a lane", "an accepted client", "an IPv4 socket", "an IPv6 socket", "a listener"],
)
def test_a_child_closes_what_is_skypys(make: Callable[[], socket.SocketType]) -> None:
    assert is_closed_in_child(make)


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6, socket.AF_UNIX])
@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_child_keeps_sockets_of_services(family: int, kind: int) -> None:
    assert not is_closed_in_child(lambda: socket.socket(family, kind))


def test_a_pair_tells_which_process_has_made_it() -> None:
    made_here, other = socket.socketpair()
    with made_here, other:
        assert maker_of_pair(made_here.fileno()) == maker_of_pair(other.fileno()) == os.getpid()
