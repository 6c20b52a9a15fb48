"""The system calls of skypy, done in memory."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable, Sequence
from typing import Any

from skypy.core.timing.spinning import SpinSetting
from skypy.system.poller import READABLE, WRITABLE, Poller
from skypy.system.socket_kernel import SocketKernel
from skypy.testing.memory.descriptors import Description, MemoryPoller, SharedNumbers, close, description_of, install
from skypy.testing.memory.lanes import lane_pair
from skypy.testing.memory.message_order import SeededQueue
from skypy.testing.memory.network import Network, TcpEndpoint
from skypy.testing.memory.sockets import MemorySocket


class MemoryKernel(SocketKernel):
    """The kernel of one system in memory, shared by its processes."""

    lane_receive_bytes = 16384  # there are a dozen lanes in every test

    messages_per_turn = 50  # no time passes in a turn: code that never waits would keep the test waiting

    def __init__(self, chance: random.Random, now: Callable[[], float]) -> None:
        self.chance = chance
        self.network = Network(chance, now)
        self.now = now
        self.read = lambda descriptor, size: _endpoint(descriptor).receive(size)
        self.write = lambda descriptor, data: _endpoint(descriptor).send(data)
        self.writev = lambda descriptor, buffers: _endpoint(descriptor).send(b"".join(buffers))
        self.close = close
        self.duplicate = lambda descriptor: install(description_of(descriptor))
        self.signal_process = lambda pidfd, signal_number: _endpoint(pidfd).signal(signal_number)
        self.responders: dict[Description, Callable[[], object]] = {}
        """Functions by the description at the other end of a lane: each hears and answers what was sent there."""
        self.serve_sockets: Callable[[], object]
        """A turn of the socket service, which is at the other end of the lanes that are not among these."""
        self.newest_poller: MemoryPoller | None = None

    def message_queue(self) -> SeededQueue:
        """Return a queue for the messages that wait in a worker, which gives them back in an order by the seed."""
        return SeededQueue(self.chance)

    def lane_pair(self) -> tuple[socket.socket, socket.socket]:
        """Return the two sockets of a new lane."""
        one, other = lane_pair()
        return MemorySocket(install(one), self.network), MemorySocket(install(other), self.network)

    def socket_of(self, descriptor: int) -> socket.socket:
        """Return a socket that owns a descriptor."""
        return MemorySocket(descriptor, self.network)

    def shared_numbers(self, count: int) -> tuple[int, list[int] | memoryview[int]]:
        """Return a descriptor of numbers, and the numbers."""
        shared = SharedNumbers(count)
        return install(shared), shared.numbers

    def read_numbers(self, descriptor: int, count: int) -> Sequence[int]:
        """Return the numbers of a descriptor."""
        numbers: list[int] = _endpoint(descriptor).numbers
        return numbers[:count]

    def local_address(self, descriptor: int) -> tuple[str, int]:
        """Return the host and port of a socket's own side."""
        host, port = _endpoint(descriptor).local
        return host, port

    def tcp_info(self, descriptor: int, size: int) -> bytes:
        """Return the first `size` bytes of a connection's `struct tcp_info`."""
        info: bytes = _endpoint(descriptor).tcp_info()
        return info[:size]

    def wait(self, descriptor: int, *, writable: bool, seconds: float | None = None) -> None:
        """Let the other side answer until the descriptor is ready: nothing else goes on while a process blocks."""
        del seconds  # no time passes
        wanted = READABLE | (WRITABLE if writable else 0)
        description = _endpoint(descriptor)
        while not description.events() & wanted:
            self.responders.get(description.peer, self.serve_sockets)()

    def poller(self, spin: SpinSetting = 0) -> Poller:
        """Return a new poller; it neither sleeps nor spins, since no time passes here."""
        del spin
        self.newest_poller = MemoryPoller(self.chance)
        return self.newest_poller

    def stream_socket(self, family: int) -> socket.socket:
        """Return a new TCP socket."""
        del family
        return MemorySocket(install(TcpEndpoint(self.network)), self.network)

    def accept(self, listening: socket.socket) -> tuple[socket.SocketType, tuple[Any, ...]]:
        """Return the socket of the next client, and its address. Raises BlockingIOError if there is none."""
        accepted, address = listening.accept()
        return accepted, address

    def force_reset(self, socket_: socket.SocketType) -> None:
        """End a connection with RST at once."""
        _endpoint(socket_.fileno()).force_reset()

    def unacknowledged(self, socket_: socket.SocketType) -> int:
        """Return the number of bytes that the peer has not received yet, with one more for a FIN."""
        count: int = _endpoint(socket_.fileno()).unacknowledged()
        return count

    def unsent(self, socket_: socket.SocketType) -> int:
        """Return the number of bytes that wait because the peer has no room for them."""
        count: int = _endpoint(socket_.fileno()).unsent()
        return count

    def unread(self, socket_: socket.SocketType) -> int:
        """Return the number of bytes that have arrived and were not read."""
        return len(_endpoint(socket_.fileno()).arrived)

    def reserve(self) -> int:
        """Return a descriptor that stands for nothing."""
        return install(Description())


def _endpoint(descriptor: int) -> Any:
    """Return the description of a descriptor, for a call that only its kind of description has."""
    return description_of(descriptor)
