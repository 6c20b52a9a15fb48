"""The system calls of skypy, done in memory."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable
from typing import Any

from skypy.system.poller import READABLE, WRITABLE, Poller
from skypy.system.socket_kernel import SocketKernel
from skypy.testing.memory.descriptors import Description, MemoryPoller, close, description_of, install
from skypy.testing.memory.lanes import lane_ends
from skypy.testing.memory.message_order import SeededQueue
from skypy.testing.memory.network import Network, TcpEnd
from skypy.testing.memory.sockets import MemorySocket


class MemoryKernel(SocketKernel):
    """The system calls of skypy, done in memory."""

    lane_receive_bytes = 16384  # there are a dozen lanes in every test

    messages_per_turn = 50  # no time passes in a turn: who never waits would keep the test waiting

    def __init__(self, chance: random.Random, now: Callable[[], float]) -> None:
        self.chance = chance
        self.network = Network(chance, now)
        self.now = now
        self.read = lambda number, size: self._end(number).receive(size)
        self.write = lambda number, data: self._end(number).send(data)
        self.writev = lambda number, buffers: self._end(number).send(b"".join(buffers))
        self.close = close
        self.duplicate = lambda number: install(description_of(number))
        self.signal_process = lambda number, what: self._end(number).signal(what)
        self.responders: dict[Description, Callable[[], object]] = {}
        """Who answers at the other end of a descriptor that is waited for."""
        self.newest_poller: MemoryPoller | None = None

    @staticmethod
    def _end(number: int) -> Any:
        return description_of(number)

    def message_queue(self) -> SeededQueue:
        """What holds the messages that wait in a worker: in an order by the seed."""
        return SeededQueue(self.chance)

    def lane_pair(self) -> tuple[socket.socket, socket.socket]:
        """The two ends of a new lane."""
        one, other = lane_ends()
        return MemorySocket(install(one), self.network), MemorySocket(install(other), self.network)

    def socket_of(self, descriptor: int) -> socket.socket:
        """The socket of a descriptor."""
        return MemorySocket(descriptor, self.network)

    def local_address(self, descriptor: int) -> tuple[str, int]:
        """Our end."""
        host, port = self._end(descriptor).local
        return host, port

    def tcp_info(self, descriptor: int, size: int) -> bytes:
        """What is known of a connection."""
        info: bytes = self._end(descriptor).tcp_info()
        return info[:size]

    def wait(self, descriptor: int, *, writable: bool) -> None:
        """Let the other side answer: nobody else can go on while this process blocks."""
        wanted = READABLE | (WRITABLE if writable else 0)
        description = self._end(descriptor)
        while not description.events() & wanted:
            self.responders[description.peer]()

    def poller(self, spin_seconds: float = 0.0) -> Poller:
        """What tells readiness; nothing sleeps here."""
        del spin_seconds
        self.newest_poller = MemoryPoller(self.chance)
        return self.newest_poller

    def stream_socket(self, family: int) -> socket.socket:
        """A new TCP socket."""
        del family
        return MemorySocket(install(TcpEnd(self.network)), self.network)

    def accept(self, listening: socket.socket) -> tuple[socket.SocketType, tuple[Any, ...]]:
        """The next client of a TCP socket, and its address."""
        end, address = listening.accept()
        return end, address

    def force_reset(self, socket_: socket.SocketType) -> None:
        """End a connection with RST at once."""
        self._end(socket_.fileno()).force_reset()

    def unacknowledged(self, socket_: socket.SocketType) -> int:
        """What the peer has not got yet."""
        count: int = self._end(socket_.fileno()).unacknowledged()
        return count

    def unread(self, socket_: socket.SocketType) -> int:
        """What has arrived and was not read."""
        return len(self._end(socket_.fileno()).arrived)

    def reserve(self) -> int:
        """A descriptor that stands for nothing."""
        return install(Description())
