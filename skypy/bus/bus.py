"""One worker's mouth on the bus: a lane to each other worker, one batch per peer and turn.

The node makes the lanes and gives each worker its ends: nobody else can reach them, and what a dead process was sent
reaches no other. A long turn sends before it ends, so that two workers that answer each other work at the same time.
What a peer has not handled is counted, so who cannot keep up is sent no more than it can hold.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from skypy.core.errors import MailboxFull
from skypy.core.wire.codec import MalformedFrame
from skypy.lane.lane import Lane, LaneEnded

BUDGET_BYTES: Final = 67108864
"""Bytes that may be under way to one peer; beyond it messages are refused at the sender."""
_RECEIPT_BYTES: Final = 4194304
"""After so many the peer is asked to say when it has handled them."""
_SMALL_BYTES: Final = 256
"""What a message that passes in any case is taken for."""
_FIRST_BATCH_MESSAGES: Final = 16
"""A turn sends after so many messages to a peer, then after twice as many, and so on: the peer has something to do
early, and what a long turn says still leaves in few batches."""


class _Peer:
    """Another worker: the lane to it once there is one, what waits to be sent, and the bytes under way.

    An int among the messages says how many bytes were posted before it; it comes back, negative, once they are handled.
    """

    __slots__ = ("asked", "batch", "enough", "handled", "lane", "posted", "returned", "seen", "writing")

    def __init__(self) -> None:
        self.lane: Lane | None = None
        self.batch: list[Any] = []
        self.enough = _FIRST_BATCH_MESSAGES
        """How many messages are sent before the turn ends."""
        self.posted = 0  # bytes, roughly
        self.handled = 0  # of them there, as far as it has said
        self.asked = 0  # how many were posted when it was asked last
        self.seen = 0  # the last that it has asked
        self.returned = 0
        self.writing = False
        """Whether the loop tells when the lane has room again."""


class Bus:
    """Posts messages to other workers and receives theirs."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        received: Callable[[list[Any], Callable[[], None]], None],
        posted: Callable[[], None],
        unmet: Callable[[int], None],
        broken: Callable[[], None],
    ) -> None:
        """What it calls.

        `received(messages, handled)` gets a batch, and calls `handled()` when it is through with it: until then it is
        under way. `posted()`: something waits for `flush`. `unmet(number)`: something is posted to a process to which
        there is no lane yet. `broken()`: a peer has sent what is no batch.
        """
        self._loop = loop
        self._received = received
        self._posted = posted
        self._unmet = unmet
        self._broken = broken
        self._peers: dict[int, _Peer] = {}
        self._dead: set[int] = set()
        self._waiting: list[_Peer] = []  # for a flush
        self._room: asyncio.Future[None] = loop.create_future()
        """Done when a lane that was full has taken something."""

    def join(self, number: int, lane: Lane) -> None:
        """There is a lane to that worker."""
        peer = self._peers.setdefault(number, _Peer())
        peer.lane = lane
        self._loop.add_reader(lane.fileno(), self._readable, peer, lane)
        self._send(peer)

    def send(self, number: int, message: Sequence[Any], size: int) -> bool:
        """Send a message of about `size` bytes with the next flush; False when that worker is known to be dead.

        Raises MailboxFull when too much is under way to it. A message of size 0 is small and passes in any case.
        """
        peer = self._peers.get(number)
        if peer is None:
            if number in self._dead:
                return False
            peer = self._peers[number] = _Peer()
            self._unmet(number)
        if size and peer.posted - peer.handled + size > BUDGET_BYTES:
            raise MailboxFull(f"{BUDGET_BYTES} bytes are under way to worker process {number}")
        peer.posted += size or _SMALL_BYTES
        self._add(peer, message)
        if peer.posted - peer.asked >= _RECEIPT_BYTES:
            peer.asked = peer.posted
            self._add(peer, peer.posted)
        return True

    def flush(self) -> None:
        """The end of a turn: what waits is sent."""
        waiting, self._waiting = self._waiting, []
        for peer in waiting:
            self._send(peer)
            peer.enough = _FIRST_BATCH_MESSAGES

    def died(self, number: int) -> None:
        """That worker is dead: nothing more goes to it, what waited is dropped."""
        self._dead.add(number)
        peer = self._peers.pop(number, None)
        if peer is not None:
            self._close(peer)

    def unborn(self, number: int) -> None:
        """That number has not been given out: what was sent there is dropped. It may be a worker's later."""
        peer = self._peers.get(number)
        if peer is not None and peer.lane is None:
            del self._peers[number]

    async def close(self, linger_seconds: float) -> None:
        """The end of this worker: gives what was sent so long to leave."""
        self.flush()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(linger_seconds):
                while any(peer.writing for peer in self._peers.values()):
                    self._room = self._loop.create_future()
                    await self._room
        for number in list(self._peers):
            self.died(number)

    def _add(self, peer: _Peer, message: Any) -> None:
        batch = peer.batch
        if not batch:
            if not self._waiting:
                self._posted()
            self._waiting.append(peer)
        batch.append(message)
        if len(batch) == peer.enough:
            peer.enough *= 2
            self._send(peer)

    def _send(self, peer: _Peer) -> None:
        lane = peer.lane
        if lane is not None:
            lane.send_all(peer.batch)
            peer.batch.clear()
            if lane.flush() == peer.writing:
                peer.writing = not peer.writing
                if peer.writing:
                    self._loop.add_writer(lane.fileno(), self._writable, peer)
                else:
                    self._loop.remove_writer(lane.fileno())

    def _writable(self, peer: _Peer) -> None:
        self._send(peer)
        if not self._room.done():
            self._room.set_result(None)

    def _readable(self, peer: _Peer, lane: Lane) -> None:
        try:
            messages = lane.receive()
        except LaneEnded:
            self._close(peer)  # the node says of its death, and how it came about
            return
        except MalformedFrame:
            self._close(peer)
            self._broken()
            return
        if int in map(type, messages):
            receipts = [message for message in messages if type(message) is int]
            peer.handled = max(peer.handled, -min(receipts))
            peer.seen = max(peer.seen, *receipts)
            messages = [message for message in messages if type(message) is not int]
        if messages or peer.seen != peer.returned:
            self._received(messages, partial(self._return_receipt, peer, peer.seen))

    def _return_receipt(self, peer: _Peer, position: int) -> None:
        if position > peer.returned:
            peer.returned = position
            self._add(peer, -position)

    def _close(self, peer: _Peer) -> None:
        lane, peer.lane = peer.lane, None
        if lane is not None:
            self._loop.remove_reader(lane.fileno())
            self._loop.remove_writer(lane.fileno())
            lane.close()
            peer.writing = False
