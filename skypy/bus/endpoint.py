"""One worker's mouth on the bus: ZeroMQ over Unix-domain sockets, one batch per peer and turn.

What ZeroMQ does not do is done here or around it. Its descriptor is an edge that reading events or sending may swallow:
so `pump` reads until nothing is left, on every wake-up and after every send. Its limits count messages, so bytes under
way are counted here and bounded per peer. It never says that a peer has died: the node does. A process number is never
given out again, so every incarnation has a path of its own. A frame is untrusted until it has been checked.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import zmq

from skypy.core.codec import MalformedFrame, pack, unpack
from skypy.core.errors import MailboxFull

BUDGET_BYTES: Final = 67108864
"""Bytes that may be under way to one peer; beyond it messages are refused at the sender."""
_ACKNOWLEDGE_EVERY_BYTES: Final = 4194304
_FRAMES_PER_PUMP: Final = 64
_LARGEST_FRAME_BYTES: Final = 268435456


class _Peer:
    """Another worker: the socket towards it, what waits for the end of the turn, and the bytes under way."""

    __slots__ = ("acknowledged", "batch", "handled", "met", "reported", "sent", "size", "socket")

    def __init__(self, socket: zmq.Socket[bytes]) -> None:
        self.socket = socket
        self.batch: list[Any] = []
        self.size = 0  # of the batch, estimated
        self.sent = 0
        self.acknowledged = 0
        self.handled = 0
        self.reported = 0
        self.met = False
        """Whether it has said anything."""


class Endpoint:
    """Posts messages to other workers and receives theirs.

    `received(messages, handled)` gets a batch at a time and calls `handled()` when it is through with it. Until then
    the sender takes it to be under way: who cannot keep up is sent no more than it can hold. `posted()` is called when
    something waits for a flush, `unmet(number)` when a process is met that nothing was sent to before.
    """

    def __init__(
        self,
        directory: str,
        token: bytes,
        number: int,
        received: Callable[[list[Any], Callable[[], None]], None],
        posted: Callable[[], None],
        unmet: Callable[[int], None],
        loop: asyncio.AbstractEventLoop,
        context: zmq.Context[Any] | None = None,
    ) -> None:
        """Binds `directory/number`. `token` is the node's secret, which every frame must carry."""
        self._directory = directory
        self._token = token
        self._number = number
        self._received = received
        self._posted = posted
        self._unmet = unmet
        self._loop = loop
        self._context: zmq.Context[Any] = context or zmq.Context()
        self._inbox = self._context.socket(zmq.PULL)
        self._inbox.setsockopt(zmq.RCVHWM, 0)
        self._inbox.setsockopt(zmq.MAXMSGSIZE, _LARGEST_FRAME_BYTES)
        self._inbox.bind(f"ipc://{directory}/{number}")
        self._peers: dict[int, _Peer] = {}
        self._dead: set[int] = set()
        self.dropped: Counter[str] = Counter()
        """Frames that were not to be trusted, and messages of the dead, by reason."""
        self._edge = int(self._inbox.getsockopt(zmq.FD))
        loop.add_reader(self._edge, self.pump)

    def post(self, number: int, message: Sequence[Any], size: int) -> bool:
        """Send a message of about `size` bytes with the next flush; False when that worker is known to be dead.

        Raises MailboxFull when too much is under way to it. A message of size 0 is small and passes in any case.
        """
        if number in self._dead or self._inbox.closed:
            return False
        peer = self._peers.get(number) or self._connect(number)
        if size and peer.sent - peer.acknowledged + peer.size + size > BUDGET_BYTES:
            raise MailboxFull(f"{BUDGET_BYTES} bytes are under way to worker process {number}")
        if not peer.batch:
            self._posted()
        peer.batch.append(message)
        peer.size += size
        return True

    def flush(self) -> None:
        """The end of a turn: one frame for every peer with messages."""
        if self._inbox.closed:
            return
        sent = False
        for peer in self._peers.values():
            if peer.batch or peer.handled - peer.reported >= _ACKNOWLEDGE_EVERY_BYTES:
                self._send(peer)
                sent = True
        if sent and int(self._inbox.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
            self._loop.call_soon(self.pump)

    def pump(self) -> None:
        """Read until nothing is left; when that takes too long, go on in the next iteration of the loop."""
        if self._inbox.closed:
            return
        for _ in range(_FRAMES_PER_PUMP):
            try:
                frame = self._inbox.recv(zmq.NOBLOCK)
            except zmq.Again:
                return
            try:
                self._take(frame)
            except BaseException:  # whatever it is, what comes behind must be read
                self._loop.call_soon(self.pump)
                raise
        self._loop.call_soon(self.pump)

    def died(self, number: int) -> None:
        """That worker is dead: nothing more goes to it, what waited is dropped."""
        self._dead.add(number)
        peer = self._peers.pop(number, None)
        if peer is not None:
            peer.socket.close(linger=0)

    def unborn(self, number: int) -> None:
        """That number has not been given out: what was sent there is dropped. It may be a worker's later."""
        peer = self._peers.get(number)
        if peer is not None and not peer.met:
            del self._peers[number]
            peer.socket.close(linger=0)

    def close(self, linger_milliseconds: int) -> None:
        """The end of this worker: gives what was sent so long to leave."""
        self._loop.remove_reader(self._edge)
        self._inbox.close(linger=0)
        for peer in self._peers.values():
            peer.socket.close(linger=linger_milliseconds)
        self._context.term()

    def _connect(self, number: int) -> _Peer:
        socket = self._context.socket(zmq.PUSH)
        socket.setsockopt(zmq.SNDHWM, 0)  # bytes are counted here
        socket.connect(f"ipc://{self._directory}/{number}")
        peer = self._peers[number] = _Peer(socket)
        self._unmet(number)
        return peer

    def _send(self, peer: _Peer) -> None:
        frame = pack([self._token, self._number, peer.handled, peer.batch])
        peer.reported = peer.handled
        peer.batch.clear()
        peer.size = 0
        peer.sent += len(frame)
        peer.socket.send(frame, zmq.NOBLOCK)

    def _take(self, frame: bytes) -> None:
        try:
            token, number, acknowledged, messages = unpack(frame)
        except (MalformedFrame, ValueError, TypeError):
            self.dropped["malformed"] += 1
            return
        if token != self._token:
            self.dropped["token"] += 1
            return
        if not (type(number) is int and type(acknowledged) is int and type(messages) is list):
            self.dropped["malformed"] += 1
            return
        if number in self._dead:
            self.dropped["dead"] += 1
            return
        peer = self._peers.get(number) or self._connect(number)
        peer.met = True
        peer.acknowledged = max(peer.acknowledged, acknowledged)
        if messages:
            self._received(messages, partial(_count_handled, peer, len(frame)))
        else:
            _count_handled(peer, len(frame))


def _count_handled(peer: _Peer, size: int) -> None:
    peer.handled += size
