"""The bus: a worker's lanes to the other workers, with one batch for each peer and turn.

The node makes the lanes and gives each worker its ends, so no other process can reach them, and a message to a process
that has died reaches no successor. A long turn sends before it ends, so that two workers that answer each other work at
the same time. The bytes that a peer has not handled are counted: a peer that cannot keep up gets no more than a budget.

A batch waits here, with those behind it on the same lane, for the writes to sockets that its sender knew of (`Fence`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from skypy.core.causal.fence import Fence, Gate
from skypy.core.errors import MailboxFull, MalformedFrame
from skypy.lane.lane import Lane, LaneEnded
from skypy.lane.on_loop import LoopLane

BUDGET_BYTES: Final = 67108864
"""The bytes that may be under way to one peer; more is refused at the sender."""
_RECEIPT_BYTES: Final = 4194304
"""The bytes after which the peer is asked for a receipt."""
_SMALL_BYTES: Final = 256
"""The size that is counted for a message of size 0, which is never refused."""
_STAMP: Final = 0
"""The int that stands before the three counts of a stamp; receipts are never 0."""
_FIRST_BATCH_MESSAGES: Final = 16
"""The number of messages to a peer after which a turn sends for the first time, and then after twice as many, and so
on: the peer has something to do early, and even a long turn sends few batches."""


class _Peer:
    """Another worker: the lane to it once there is one, the messages that wait, and the bytes under way.

    An int among the messages asks for a receipt: it is the number of bytes sent before it. The peer returns it as a
    negative number once those bytes are handled. A batch whose stamp is not that of the batch before begins with four
    ints: 0, the foreign writes of the sender, the total, and the change of names that it has heard of.
    """

    __slots__ = (
        "asked",
        "batch",
        "enough",
        "gate",
        "handled",
        "lane",
        "made",
        "names",
        "returned",
        "seen",
        "sent",
        "total",
    )

    def __init__(self, gate: Gate) -> None:
        self.lane: LoopLane | None = None
        self.batch: list[Any] = []
        self.enough = _FIRST_BATCH_MESSAGES
        """The number of messages that are sent before the turn ends."""
        self.sent = 0  # bytes, roughly
        self.handled = 0  # of these, as far as receipts have come back
        self.asked = 0  # position of the last receipt that was asked for here
        self.seen = 0  # position of the last receipt that the peer has asked for
        self.returned = 0  # position of the last receipt that was returned
        self.made = 0  # of the last stamp that was sent
        self.total = 0
        self.names = 0
        self.gate = gate
        """The batches of this worker that wait for foreign writes, each with what is called when it is handled."""


class Bus:
    """Sends messages to other workers and receives theirs."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        received: Callable[[list[Any], Callable[[], None]], None],
        released: Callable[[list[Any], Callable[[], None]], None],
        wants_flush: Callable[[], None],
        unmet: Callable[[int], None],
        broken: Callable[[int], None],
        fence: Fence,
    ) -> None:
        """Start without any peer.

        `received(messages, handled)` gets a batch, and calls `handled()` when it has dealt with the batch, which is
        under way until then. `released` gets a batch in the middle of another turn: one that had to wait for the
        `fence`, or the last of a worker that has died.
        `wants_flush()`: a message waits for `flush`. `unmet(process_number)`: a message is for a process to which there
        is no lane yet. `broken(process_number)`: a peer has sent bytes that are no batch.
        """
        self._loop = loop
        self._received = received
        self._released = released
        self._wants_flush = wants_flush
        self._unmet = unmet
        self._broken = broken
        self._fence = fence
        self._peers: dict[int, _Peer] = {}
        self._dead: set[int] = set()
        self._waiting: list[_Peer] = []  # for a flush
        self._room: asyncio.Future[None] = loop.create_future()
        """Done when a lane that was full has taken something."""

    def join(self, process_number: int, lane: Lane) -> None:
        """Use `lane` to reach a worker, and send the messages that have waited."""
        peer = self._peers.setdefault(process_number, self._new_peer(process_number))
        peer.lane = LoopLane(
            lane,
            self._loop,
            partial(self._receive, peer, self._received),
            partial(self._lane_ended, process_number, peer),
            partial(self._send_the_rest, peer),
        )
        self._send(peer)

    def _new_peer(self, process_number: int) -> _Peer:
        return _Peer(Gate(self._fence, process_number, lambda batch: self._released(*batch)))

    def send(self, process_number: int, message: Sequence[Any], size: int) -> bool:
        """Send a message of about `size` bytes with the next flush; return False if that worker is known to be dead.

        Raises MailboxFull when too much is under way to that worker. A message of size 0 is never refused.
        """
        peer = self._peers.get(process_number)
        if peer is None:
            if process_number in self._dead:
                return False
            peer = self._peers[process_number] = self._new_peer(process_number)
            self._unmet(process_number)
        if size and peer.sent - peer.handled + size > BUDGET_BYTES:
            raise MailboxFull(f"{BUDGET_BYTES} bytes are under way to worker process {process_number}")
        peer.sent += size or _SMALL_BYTES
        self._add(peer, message)
        if peer.sent - peer.asked >= _RECEIPT_BYTES:
            peer.asked = peer.sent
            self._add(peer, peer.sent)
        return True

    def flush(self) -> None:
        """Send the messages that wait, at the end of a turn."""
        waiting, self._waiting = self._waiting, []
        for peer in waiting:
            self._send(peer)
            peer.enough = _FIRST_BATCH_MESSAGES

    def died(self, process_number: int, last_is_handled: Callable[[], None]) -> None:
        """Take everything that a worker has sent before its death, and call `last_is_handled` when that is handled.

        From then on `send` returns False for that worker. Messages for it are dropped.
        """
        buried = partial(self._bury, process_number, last_is_handled)
        peer = self._peers.get(process_number)
        if peer is None:
            buried()
            return
        lane, peer.lane = peer.lane, None
        if lane is not None:
            self._receive(peer, self._released, lane.receive_rest())
        if not peer.gate.held or peer.gate.admit(0, 0, ([], buried)):
            self._released([], buried)

    def _bury(self, process_number: int, last_is_handled: Callable[[], None]) -> None:
        self._dead.add(process_number)
        self._peers.pop(process_number, None)
        last_is_handled()

    def unknown(self, process_number: int) -> None:
        """Drop the messages for a process number that has not been given out; a worker may have that number later."""
        peer = self._peers.get(process_number)
        if peer is not None and peer.lane is None:
            del self._peers[process_number]

    async def close(self, linger_seconds: float) -> None:
        """Send the messages that wait, for at most so many seconds, and close every lane."""
        self.flush()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(linger_seconds):
                while any(peer.lane is not None and peer.lane.writing for peer in self._peers.values()):
                    self._room = self._loop.create_future()
                    await self._room
        for process_number, peer in self._peers.items():
            self._dead.add(process_number)
            if peer.lane is not None:
                peer.lane.close()
        self._peers.clear()

    def abandon(self) -> None:
        """Close this process's copies of the lanes in a forked child."""
        for peer in self._peers.values():
            if peer.lane is not None:
                peer.lane.abandon()

    def _add(self, peer: _Peer, message: Any) -> None:
        batch = peer.batch
        if not batch:
            if not self._waiting:
                self._wants_flush()
            self._waiting.append(peer)
        batch.append(message)
        if len(batch) == peer.enough:
            peer.enough *= 2
            self._send(peer)

    def _send(self, peer: _Peer) -> None:
        lane = peer.lane
        if lane is not None:
            fence = self._fence
            if fence.made != peer.made or fence.known != peer.total or fence.names != peer.names:
                self._stamp(peer, lane)
            lane.send_all(peer.batch)
            peer.batch.clear()
            lane.flush()

    def _stamp(self, peer: _Peer, lane: LoopLane) -> None:
        """Send the counts that this worker knows of before the next batch, if there is a batch."""
        fence = self._fence
        if fence.left != fence.made:
            fence.flush()  # else the receiver would wait for the end of this turn
        if peer.batch:
            peer.made = fence.made
            peer.total = fence.known
            peer.names = fence.names
            lane.send_all((_STAMP, peer.made, peer.total, peer.names))

    def _send_the_rest(self, peer: _Peer) -> None:
        self._send(peer)
        if not self._room.done():
            self._room.set_result(None)

    def _receive(self, peer: _Peer, take: Callable[[list[Any], Callable[[], None]], None], messages: list[Any]) -> None:
        made = total = 0
        if int in map(type, messages):
            if _STAMP in messages:
                made, total, names, messages = _take_stamps(messages)
                self._fence.names = max(self._fence.names, names)
            receipts = [message for message in messages if type(message) is int]
            if receipts:
                peer.handled = max(peer.handled, -min(receipts))
                peer.seen = max(peer.seen, *receipts)
                messages = [message for message in messages if type(message) is not int]
        if messages or peer.seen != peer.returned:
            handled = partial(self._return_receipt, peer, peer.seen)
            if not (made or total or peer.gate.held) or peer.gate.admit(made, total, (messages, handled)):
                take(messages, handled)

    def _return_receipt(self, peer: _Peer, position: int) -> None:
        if position > peer.returned:
            peer.returned = position
            self._add(peer, -position)

    def _lane_ended(self, process_number: int, peer: _Peer, error: LaneEnded | MalformedFrame) -> None:
        peer.lane = None  # of a peer that has died, the node tells the reason
        if isinstance(error, MalformedFrame):
            self._broken(process_number)


def _take_stamps(messages: list[Any]) -> tuple[int, int, int, list[Any]]:
    """Return the highest counts of the stamps in what one read has brought, and the rest."""
    made = total = names = 0
    while _STAMP in messages:
        at = messages.index(_STAMP)
        _, made, total, names = messages[at : at + 4]  # they never fall
        messages = messages[:at] + messages[at + 4 :]
    return made, total, names, messages
