"""TCP in memory, as Linux's behaves towards programs that use it.

Bytes go from the sender's buffer into the receiver's as long as there is room; the sender's buffer holds the bytes that
the peer has not acknowledged. A FIN comes after the bytes before it. Closing with unread input, or receiving
something after closing, is a reset, and a reset is told once, to the first call that asks, after the bytes that had
arrived.
"""

from __future__ import annotations

import errno
import itertools
import os
import random
import struct
from collections import deque
from collections.abc import Callable
from typing import Final

from skypy.system.poller import PEER_FINISHED, READABLE, WRITABLE
from skypy.testing.memory.descriptors import Description

BUFFER_BYTES: Final = 131072
"""The capacity of each side's kernel in each direction."""
_FIRST_FREE_PORT: Final = 49152
_ERROR: Final = 0x08
_HANG_UP: Final = 0x10
_CUT: Final = 0.1
"""The probability that a read or write is given only a part of what there is."""

HostAndPort = tuple[str, int]


def os_error(error_number: int) -> OSError:
    """Return the error of an errno, of its own class."""
    return OSError(error_number, os.strerror(error_number))


class Network:
    """The listening sockets of a system, by port."""

    def __init__(self, chance: random.Random, now: Callable[[], float]) -> None:
        self._chance = chance
        self.now = now
        self._listening: dict[int, Listening] = {}
        self._ports = itertools.count(_FIRST_FREE_PORT)

    def listen(self, host: str, port: int, backlog: int) -> Listening:
        """Return a new listening socket. Raises OSError if the address is taken, or not one of this machine."""
        if host not in ("0.0.0.0", "::", "::1") and not host.startswith("127."):
            raise os_error(errno.EADDRNOTAVAIL)
        port = port or next(self._ports)
        if port in self._listening:
            raise os_error(errno.EADDRINUSE)
        listening = self._listening[port] = Listening(self, (host, port), backlog)
        return listening

    def stop_listening(self, port: int) -> None:
        """Free a port."""
        self._listening.pop(port, None)

    def connect(self, endpoint: TcpEndpoint, address: HostAndPort) -> None:
        """Connect a socket, or give it the error that it is to report."""
        endpoint.local = ("127.0.0.1", next(self._ports))
        endpoint.remote = address
        listening = self._listening.get(address[1])
        if listening is None:
            endpoint.broken(errno.ECONNREFUSED)
        else:
            listening.reached_by(endpoint)

    def cut(self, size: int) -> int:
        """Return how many of `size` bytes go at once: now and then fewer than there are."""
        return self._chance.randint(1, size) if size > 1 and self._chance.random() < _CUT else size


class Listening(Description):
    """A listening socket."""

    def __init__(self, network: Network, local: HostAndPort, backlog: int) -> None:
        super().__init__()
        self._network = network
        self._open = True
        self.local = local
        self.backlog = backlog
        self.waiting: deque[TcpEndpoint] = deque()
        self._unanswered: deque[TcpEndpoint] = deque()
        """Clients beyond the backlog: Linux does not answer them, so they try again."""

    def __repr__(self) -> str:
        return f"<listening on {self.local[0]}:{self.local[1]}>"

    def events(self) -> int:
        return READABLE if self.waiting else 0

    def accept(self) -> TcpEndpoint:
        """Return the next client's connection. Raises BlockingIOError if there is none."""
        if not self._open:
            raise os_error(errno.EINVAL)
        if not self.waiting:
            raise os_error(errno.EAGAIN)
        accepted = self.waiting.popleft()
        if self._unanswered:
            self.reached_by(self._unanswered.popleft())
        return accepted

    def reached_by(self, client: TcpEndpoint) -> None:
        """Take a client that connects. Linux takes one more than the backlog."""
        if len(self.waiting) > self.backlog:
            self._unanswered.append(client)
            return
        accepted = TcpEndpoint(self._network)
        accepted.local, accepted.remote = self.local, client.local
        accepted.peer, client.peer = client, accepted
        accepted.connected = client.connected = client.has_sent_syn = True
        self.waiting.append(accepted)
        self.changed()
        client.changed()
        client.transmit()  # it may have been closed meanwhile

    def shutdown(self, how: int) -> None:
        """Stop listening."""
        del how
        self._open = False
        self._network.stop_listening(self.local[1])
        for accepted in self.waiting:
            accepted.force_reset()
        self.waiting.clear()
        for client in self._unanswered:
            client.broken(errno.ECONNREFUSED)
        self._unanswered.clear()

    def released(self) -> None:
        if self._open:
            self.shutdown(2)


class Throttle:
    """The pace that a test has set for a connection."""

    __slots__ = ("capacity", "held", "largest_read")

    def __init__(self) -> None:
        self.capacity = BUFFER_BYTES
        """The most bytes that may have arrived and not been read."""
        self.held = False
        """True while sent bytes stay on their way."""
        self.largest_read: int | None = None
        """The most bytes that one read gives; None for no limit."""


class Traffic:
    """The part of `struct tcp_info` that is counted."""

    __slots__ = ("_now", "acknowledged", "last_received", "last_sent", "received")

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.acknowledged = 0
        self.received = 0
        self.last_sent = self.last_received = now()

    def count_received(self, size: int) -> None:
        """Count bytes that have arrived now."""
        self.received += size
        self.last_received = self._now()

    def milliseconds_since(self, when: float) -> int:
        """Return the time since a moment on the clock of the test."""
        return int((self._now() - when) * 1000)


class TcpEndpoint(Description):
    """A TCP socket that is connected, or will be."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self._network = network
        self.local: HostAndPort = ("0.0.0.0", 0)
        self.remote: HostAndPort | None = None
        self.peer: TcpEndpoint | None = None
        self.connected = False
        self.has_sent_syn = False
        self.throttle = Throttle()
        self.traffic = Traffic(network.now)
        self._sending = bytearray()
        self.arrived = bytearray()
        self._finished = False
        """True once its FIN stands behind the bytes that are being sent."""
        self._fin_arrived = False
        self.eof = False
        """True once the peer's FIN has arrived."""
        self._reads = True
        self.orphan = False
        """True once every descriptor of it is closed, while the kernel still delivers its bytes."""
        self.dead = False
        self._error = 0
        self.refuses_fin = False
        """True if the peer's FIN is dropped."""

    def __repr__(self) -> str:
        return f"<connection {self.local} to {self.remote}>"

    # -- calls of the processes that hold it --

    def events(self) -> int:
        if not (self.connected or self.dead):
            return 0
        events = READABLE if self.arrived else 0
        if self.eof or not self._reads:
            events |= READABLE | PEER_FINISHED
        if self._finished or self.dead or len(self._sending) * 3 < BUFFER_BYTES * 2:
            events |= WRITABLE
        if self.dead or (self._finished and (self.eof or not self._reads)):
            events |= _HANG_UP
        return events | (_ERROR if self._error else 0)

    def send(self, data: bytes | memoryview) -> int:
        """Send bytes, and return how many were taken. Raises OSError."""
        self._raise_error()
        if self._finished or self.dead:
            raise os_error(errno.EPIPE)
        if not self.connected:
            raise os_error(errno.ENOTCONN)
        room = BUFFER_BYTES - len(self._sending)
        if room <= 0:
            raise os_error(errno.EAGAIN)
        size = self._network.cut(min(room, len(data)))
        self._sending += data[:size]
        self.traffic.last_sent = self._network.now()
        self.transmit()
        return size

    def receive(self, size: int, *, peek: bool = False) -> bytes:
        """Return at most `size` bytes that have arrived; none at the end of input. Raises OSError."""
        if self.arrived and peek:
            return bytes(self.arrived[:size])
        if self.arrived:
            size = self._network.cut(min(size, len(self.arrived), self.throttle.largest_read or size))
            data = bytes(self.arrived[:size])
            del self.arrived[:size]
            if self.peer is not None:
                self.peer.transmit()
            return data
        if self.eof:
            return b""  # a reset behind it is told to the next write
        self._raise_error()
        if not self._reads:
            return b""
        raise os_error(errno.ENOTCONN if self.dead else errno.EAGAIN)

    def take_error(self) -> int:
        """Return the error (SO_ERROR), which is told once; 0 if there is none."""
        error, self._error = self._error, 0
        return error

    def shutdown(self, how: int) -> None:
        """Finish one half, or both. Raises OSError if it is not connected."""
        gone = self.dead or not self.connected or self._is_over
        if how in (1, 2):
            self._finished = True
        if how in (0, 2):
            self._reads = False
        if gone:
            raise os_error(errno.ENOTCONN)
        self.transmit()
        self.changed()

    def force_reset(self) -> None:
        """Reset the connection, as connect(AF_UNSPEC) does.

        The socket is then as if it had never been connected, but for the error.
        """
        if not self.dead and not self._is_over and self.peer is not None:
            self._error = errno.ECONNRESET
            self.peer.broken(errno.ECONNRESET)
        self.dead = True
        self.eof = self._finished = False
        self._reads = True
        self._sending.clear()
        self.arrived.clear()
        self.changed()

    def unacknowledged(self) -> int:
        """Return the count of bytes on their way, with one more for a FIN on its way."""
        return len(self._sending) + (self._finished and not self._fin_arrived and not self.dead)

    def unsent(self) -> int:
        """Return the count of bytes that wait because the peer has no room for them."""
        return 0 if self.throttle.held else len(self._sending)

    def released(self) -> None:
        if self.arrived and not self.dead:
            self.force_reset()
            return
        self.orphan = True
        self._finished = True
        self.transmit()

    @property
    def _is_over(self) -> bool:
        """True if both sides have finished, and this one knows that its FIN has arrived."""
        return self.eof and self._fin_arrived

    @property
    def _answers_data_with_reset(self) -> bool:
        return self.orphan or (self._finished and not self._reads)

    # -- the work of the two kernels --

    def transmit(self) -> None:
        """Move bytes and FIN to the peer, as far as there is room."""
        peer = self.peer
        if peer is None or self.throttle.held or self.dead:
            return
        if self._sending and peer._answers_data_with_reset:  # noqa: SLF001 - of its own class
            peer.broken(errno.ECONNRESET)
            self.broken(errno.ECONNRESET)
            return
        if self._sending:
            size = min(len(self._sending), max(0, peer.throttle.capacity - len(peer.arrived)))
            if size:
                peer.arrived += self._sending[:size]
                self.traffic.acknowledged += size
                peer.traffic.count_received(size)
                del self._sending[:size]
                peer.changed()
                self.changed()
        if self._finished and not self._sending and not self._fin_arrived and not peer.refuses_fin:
            self._fin_arrived = True
            peer.eof = True
            peer.changed()

    def tcp_info(self) -> bytes:
        """Return the part of Linux' `struct tcp_info` that skypy looks at."""
        traffic = self.traffic
        sent, received = map(traffic.milliseconds_since, (traffic.last_sent, traffic.last_received))
        acknowledged = traffic.acknowledged + self._fin_arrived + self.has_sent_syn
        return struct.pack("=44xI4xI64xQQ", sent, received, acknowledged, traffic.received + self.eof)

    def broken(self, error_number: int) -> None:
        """Take a reset, or the refusal of a connection."""
        if self.dead or self._is_over:
            return
        self._error = errno.EPIPE if self.eof and not self._finished else error_number
        self.dead = self._finished = True
        self._reads = False
        self._sending.clear()
        self.changed()

    def _raise_error(self) -> None:
        if self._error:
            raise os_error(self.take_error())
