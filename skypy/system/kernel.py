"""The calls about descriptors, the clocks and the limits; `skypy.testing.memory` has a kernel of its own."""

from __future__ import annotations

import mmap
import os
import resource
import select
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from skypy.core.timing.spinning import SpinSetting
from skypy.system.poller import Poller, new_spin

_NUMBER_BYTES: Final = 8


class Kernel:
    """The calls of workers, of the node and of lanes."""

    lane_receive_bytes = 262144
    """The most that a lane receives with one call."""

    messages_per_turn = 1000
    """The messages that a worker handles before its timers and sockets have their turn."""

    def __init__(self) -> None:
        self.read: Callable[[int, int], bytes] = os.read
        self.write: Callable[[int, Any], int] = os.write
        self.writev: Callable[[int, Any], int] = os.writev
        self.close: Callable[[int], None] = os.close
        self.duplicate: Callable[[int], int] = os.dup
        self.now: Callable[[], float] = time.monotonic
        self.signal_process: Callable[[int, int], None] = signal.pidfd_send_signal

    def unix_time(self) -> float:
        """Return the time of day, in seconds since 1970."""
        return time.time()

    def message_queue(self) -> deque[Any]:
        """Return a queue for the messages that wait in a worker: first in, first out, except in tests."""
        return deque()

    def poller(self, spin: SpinSetting = 0) -> Poller:
        """Return a poller that spins before it sleeps, as the config asks."""
        return Poller(new_spin(spin))

    def lane_pair(self) -> tuple[socket.socket, socket.socket]:
        """Return the sockets of the two ends of a new lane."""
        return socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)

    def socket_of(self, descriptor: int) -> socket.socket:
        """Return the socket of a descriptor that has arrived; closing the socket closes the descriptor."""
        return socket.socket(fileno=descriptor)

    def open_to_append(self, path: str) -> int:
        """Return a descriptor of a file to which every write is appended. Raises OSError."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)

    def shared_numbers(self, count: int) -> tuple[int, list[int] | memoryview[int]]:
        """Return a descriptor of new memory, and the memory as numbers of 64 bits, all 0. Raises OSError."""
        size = count * _NUMBER_BYTES
        descriptor = os.memfd_create("skypy")
        os.ftruncate(descriptor, size)
        return descriptor, memoryview(mmap.mmap(descriptor, size)).cast("q")

    def read_numbers(self, descriptor: int, count: int) -> Sequence[int]:
        """Return the numbers in shared memory, which the process that has made it may change meanwhile."""
        return memoryview(os.pread(descriptor, count * _NUMBER_BYTES, 0)).cast("q").tolist()

    def local_address(self, descriptor: int) -> tuple[str, int]:
        """Return the host and port of this end of a connection, or of a listener."""
        with socket.socket(fileno=os.dup(descriptor)) as duplicate:
            host, port = duplicate.getsockname()[:2]
        return host, port

    def tcp_info(self, descriptor: int, size: int) -> bytes:
        """Return the first `size` bytes of a connection's `struct tcp_info`."""
        # With the family, the type and the protocol given, one system call is made in place of six.
        borrowed = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fileno=descriptor)
        try:
            return borrowed.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, size)
        finally:
            borrowed.detach()

    def wait(self, descriptor: int, *, writable: bool, seconds: float | None = None) -> None:
        """Block until there is something to read or, if `writable`, room to write; for at most `seconds`, if given."""
        poll = select.poll()
        poll.register(descriptor, select.POLLIN | (select.POLLOUT if writable else 0))
        poll.poll(None if seconds is None else seconds * 1000)

    def descriptor_limit(self) -> int:
        """Return the number of descriptors that this process may have."""
        return resource.getrlimit(resource.RLIMIT_NOFILE)[0]

    def raise_descriptor_limit(self) -> None:
        """Allow this process as many descriptors as its hard limit permits."""
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


LINUX: Final = Kernel()
