"""TCP in memory, as Linux's behaves towards those who use it.

Bytes go from the sender's buffer into the receiver's as long as there is room; what is in the sender's is what the peer
has not acknowledged. A FIN comes after the bytes before it. To close with unread input, or to be sent something after
closing, is a reset, and a reset is told once, to whoever asks first, after the bytes that had arrived.
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
"""What each side's kernel holds in each direction."""
_FIRST_FREE_PORT: Final = 49152
_ERROR: Final = 0x08
_HANG_UP: Final = 0x10
_CUT: Final = 0.1
"""How often a read or write is given only a part of what there is."""

Address = tuple[str, int]


def os_error(number: int) -> OSError:
    """The error of an errno, of its own class."""
    return OSError(number, os.strerror(number))


class Network:
    """Who listens where."""

    def __init__(self, chance: random.Random, now: Callable[[], float]) -> None:
        self._chance = chance
        self.now = now
        self._listening: dict[int, Listening] = {}
        self._ports = itertools.count(_FIRST_FREE_PORT)

    def listen(self, host: str, port: int, backlog: int) -> Listening:
        """Raises OSError: the address is taken, or not this machine's."""
        if host not in ("0.0.0.0", "::", "::1") and not host.startswith("127."):
            raise os_error(errno.EADDRNOTAVAIL)
        port = port or next(self._ports)
        if port in self._listening:
            raise os_error(errno.EADDRINUSE)
        listening = self._listening[port] = Listening(self, (host, port), backlog)
        return listening

    def stop_listening(self, port: int) -> None:
        """The port is free."""
        self._listening.pop(port, None)

    def connect(self, end: TcpEnd, address: Address) -> None:
        """Connect, or let `end` meet the error."""
        end.local = ("127.0.0.1", next(self._ports))
        end.remote = address
        listening = self._listening.get(address[1])
        if listening is None:
            end.broken(errno.ECONNREFUSED)
        else:
            listening.reached_by(end)

    def cut(self, size: int) -> int:
        """How many of `size` bytes go at once: now and then fewer than there are."""
        return self._chance.randint(1, size) if size > 1 and self._chance.random() < _CUT else size


class Listening(Description):
    """A listening socket."""

    def __init__(self, network: Network, local: Address, backlog: int) -> None:
        super().__init__()
        self._network = network
        self._open = True
        self.local = local
        self.backlog = backlog
        self.waiting: deque[TcpEnd] = deque()
        self._not_heard: deque[TcpEnd] = deque()
        """Who is more than the backlog: Linux does not answer, so they try again."""

    def __repr__(self) -> str:
        return f"<listening on {self.local[0]}:{self.local[1]}>"

    def events(self) -> int:
        return READABLE if self.waiting else 0

    def accept(self) -> TcpEnd:
        """Raises BlockingIOError when nobody waits."""
        if not self._open:
            raise os_error(errno.EINVAL)
        if not self.waiting:
            raise os_error(errno.EAGAIN)
        end = self.waiting.popleft()
        if self._not_heard:
            self.reached_by(self._not_heard.popleft())
        return end

    def reached_by(self, end: TcpEnd) -> None:
        """Somebody connects. Linux takes one more than the backlog."""
        if len(self.waiting) > self.backlog:
            self._not_heard.append(end)
            return
        other = TcpEnd(self._network)
        other.local, other.remote = self.local, end.local
        other.peer, end.peer = end, other
        other.connected = end.connected = end.has_sent_syn = True
        self.waiting.append(other)
        self.changed()
        end.changed()
        end.transmit()  # it may have been closed meanwhile

    def shutdown(self, how: int) -> None:
        """Stop listening."""
        del how
        self._open = False
        self._network.stop_listening(self.local[1])
        for end in self.waiting:
            end.force_reset()
        self.waiting.clear()
        for end in self._not_heard:
            end.broken(errno.ECONNREFUSED)
        self._not_heard.clear()

    def released(self) -> None:
        if self._open:
            self.shutdown(2)


class TcpEnd(Description):
    """One end of a connection, or what will be one."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self._network = network
        self.local: Address = ("0.0.0.0", 0)
        self.remote: Address | None = None
        self.peer: TcpEnd | None = None
        self.connected = False
        self.has_sent_syn = False
        self.capacity = BUFFER_BYTES
        """How many bytes may have arrived and not been read."""
        self.piece: int | None = None
        """The most bytes that one read gives."""
        self.held = False
        """Whether what is sent stays on its way."""
        self._sending = bytearray()
        self.arrived = bytearray()
        self._finished = False  # our FIN is behind what is being sent
        self._fin_arrived = False
        self.eof = False  # the peer's FIN has arrived
        self._reads = True
        self.orphan = False
        self.dead = False
        self._error = 0
        self.refuses_fin = False
        """Whether the peer's FIN is dropped."""
        self._acknowledged = 0
        self._received = 0
        self._last_sent = self._last_received = network.now()

    def __repr__(self) -> str:
        return f"<connection {self.local} to {self.remote}>"

    # -- what its holders do --

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
        """How many bytes were taken. Raises OSError."""
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
        self._last_sent = self._network.now()
        self.transmit()
        return size

    def receive(self, size: int, *, peek: bool = False) -> bytes:
        """What has arrived; nothing at the end. Raises OSError."""
        if self.arrived and peek:
            return bytes(self.arrived[:size])
        if self.arrived:
            size = self._network.cut(min(size, len(self.arrived), self.piece or size))
            data = bytes(self.arrived[:size])
            del self.arrived[:size]
            if self.peer is not None:
                self.peer.transmit()
            return data
        if self.eof:
            return b""  # a reset behind it is told to who writes
        self._raise_error()
        if not self._reads:
            return b""
        raise os_error(errno.ENOTCONN if self.dead else errno.EAGAIN)

    def take_error(self) -> int:
        """SO_ERROR: told once."""
        error, self._error = self._error, 0
        return error

    def shutdown(self, how: int) -> None:
        """Finish one half, or both. Raises OSError."""
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
        """connect(AF_UNSPEC): the end is as if it had never been connected, but for the error."""
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
        """Bytes on their way, and one for a FIN on its way."""
        return len(self._sending) + (self._finished and not self._fin_arrived and not self.dead)

    def released(self) -> None:
        if self.arrived and not self.dead:
            self.force_reset()
            return
        self.orphan = True
        self._finished = True
        self.transmit()

    @property
    def _is_over(self) -> bool:
        """Both have finished, and know it."""
        return self.eof and self._fin_arrived

    # -- what the kernels do --

    def transmit(self) -> None:
        """Move what may be moved."""
        peer = self.peer
        if peer is None or self.held or self.dead:
            return
        if self._sending and (peer.orphan or (peer._finished and not peer._reads)):  # noqa: SLF001
            peer.broken(errno.ECONNRESET)
            self.broken(errno.ECONNRESET)
            return
        if self._sending:
            size = min(len(self._sending), max(0, peer.capacity - len(peer.arrived)))
            if size:
                peer.arrived += self._sending[:size]
                self._acknowledged += size
                peer.took(size)
                del self._sending[:size]
                peer.changed()
                self.changed()
        if self._finished and not self._sending and not self._fin_arrived and not peer.refuses_fin:
            self._fin_arrived = True
            peer.eof = True
            peer.changed()

    def took(self, size: int) -> None:
        """So many bytes have arrived."""
        self._received += size
        self._last_received = self._network.now()

    def tcp_info(self) -> bytes:
        """The part of Linux' `struct tcp_info` that skypy looks at."""
        now = self._network.now()
        sent, received = (int((now - when) * 1000) for when in (self._last_sent, self._last_received))
        acknowledged = self._acknowledged + self._fin_arrived + self.has_sent_syn
        return struct.pack("=44xI4xI64xQQ", sent, received, acknowledged, self._received + self.eof)

    def broken(self, error: int) -> None:
        """A reset has come, or no connection."""
        if self.dead or self._is_over:
            return
        self._error = errno.EPIPE if self.eof and not self._finished else error
        self.dead = self._finished = True
        self._reads = False
        self._sending.clear()
        self.changed()

    def _raise_error(self) -> None:
        if self._error:
            raise os_error(self.take_error())
