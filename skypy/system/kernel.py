"""What skypy asks of the operating system about descriptors, by number, and what else `skypy.testing` has in memory."""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from skypy.system.poller import Poller


class Kernel:
    """The calls of a worker, of a node and of lanes."""

    lane_receive_bytes = 262144
    """How much a lane takes in one call."""

    messages_per_turn = 1000
    """How many messages a worker handles before its timers and sockets have their turn."""

    def __init__(self) -> None:
        self.read: Callable[[int, int], bytes] = os.read
        self.write: Callable[[int, Any], int] = os.write
        self.writev: Callable[[int, Any], int] = os.writev
        self.close: Callable[[int], None] = os.close
        self.duplicate: Callable[[int], int] = os.dup
        self.now: Callable[[], float] = time.monotonic
        self.signal_process: Callable[[int, int], None] = signal.pidfd_send_signal

    def message_queue(self) -> deque[Any]:
        """What holds the messages that wait in a worker: in the order of arrival, outside of tests."""
        return deque()

    def poller(self, spin_seconds: float = 0.0) -> Poller:
        """What tells readiness; it spins for `spin_seconds` before it sleeps."""
        return Poller(spin_seconds)

    def lane_pair(self) -> tuple[socket.socket, socket.socket]:
        """The two ends of a new lane."""
        return socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)

    def socket_of(self, descriptor: int) -> socket.socket:
        """The socket of a descriptor that has arrived; it is closed with the object."""
        return socket.socket(fileno=descriptor)

    def local_address(self, descriptor: int) -> tuple[str, int]:
        """Our end of a connection, or where a listener listens: host, port."""
        with socket.socket(fileno=os.dup(descriptor)) as duplicate:
            host, port = duplicate.getsockname()[:2]
        return host, port

    def tcp_info(self, descriptor: int, size: int) -> bytes:
        """What the kernel knows of a connection: the bytes of `struct tcp_info`."""
        with socket.socket(fileno=os.dup(descriptor)) as duplicate:
            return duplicate.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, size)

    def wait(self, descriptor: int, *, writable: bool) -> None:
        """Block until there is something to read, or, where it is wanted, room to write."""
        poll = select.poll()
        poll.register(descriptor, select.POLLIN | (select.POLLOUT if writable else 0))
        poll.poll()


LINUX: Final = Kernel()
