"""The socket service's side of the order of foreign writes: it passes them on, counts them, and answers fences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, Protocol

from skypy.core.causal.foreign_output import NOTE_BYTES
from skypy.core.tcp.connection import Connection
from skypy.core.tcp.hand_over import End, HandOver
from skypy.core.tcp.state import ACCEPTING
from skypy.core.tcp.worker_port import WorkerPort
from skypy.core.wire.socket_lane import (
    SOCKET_FENCED,
    SOCKET_FILLED,
    SOCKET_GONE,
    SOCKET_SENT_BY,
)

_STEP_BYTES: Final = 16777216
"""A writer that was told how much is under way is told again when so much of it was handled."""


class _Fence(NamedTuple):
    worker: WorkerPort
    process_number: int
    needed: int


class _UnderWay:
    """The writes that were passed on to one worker and have not been handled there."""

    __slots__ = ("size", "told", "writers", "writes")

    def __init__(self) -> None:
        self.writes = 0
        self.size = 0  # bytes
        self.told = 0  # the size that writers were told last
        self.writers: dict[WorkerPort, dict[int, None]] = {}
        """The sockets of which a writer was told that much is under way, by the writer."""

    def tell(self) -> None:
        """Tell the writers how much is under way now, if it has become much less."""
        if self.size > NOTE_BYTES and self.size > self.told - _STEP_BYTES:
            return
        self.told = self.size if self.size > NOTE_BYTES else 0
        for writer, ids in self.writers.items():
            writer.send((SOCKET_FILLED, list(ids), self.told))
        if not self.told:
            self.writers = {}


class Endable(Protocol):
    """A connection, what remains of an ended one, or a listener."""

    def end_by(self, source: WorkerPort, end: End) -> bool:
        """Let the owner's worker end it. Return False if no actor has it any more."""


class Passages:
    """All foreign writes of a node on their way through the socket service."""

    def __init__(self, find: Callable[[int], Connection | None]) -> None:
        """`find(id)` returns a connection, or None when it is gone."""
        self._find = find
        self._told = False  # once a worker was asked to log that a write was late
        self._total = 0
        self._passed: Counter[int] = Counter()  # by process number
        self._ended: set[int] = set()  # process numbers
        self._fences: list[_Fence] = []
        self._under_way: dict[WorkerPort, _UnderWay] = {}
        self.late = 0
        """The writes that met a socket behind its end; one write to two sockets counts twice."""
        self.lost = 0
        """The writes that a worker had not handled when it died."""

    # -- requests --

    def send(self, source: WorkerPort, ids: Sequence[int], messages: Sequence[Sequence[Any]]) -> None:
        """SEND: pass messages on, once to each worker that owns some of the sockets."""
        number = source.process_number
        passed = self._count(number, len(ids))
        by_owner: dict[WorkerPort, list[int]] = {}
        for id_ in ids:
            connection = self._find(id_)
            hand_over = None if connection is None else _open_to_others(connection)
            if connection is None or hand_over is None:
                self._met_an_end(source, id_, len(messages))
            elif hand_over.foreign_write(source, messages):
                owner = connection.worker
                its = by_owner.get(owner)
                if its is None:
                    by_owner[owner] = [id_]
                else:
                    its.append(id_)
        for owner, its in by_owner.items():
            owner.send((SOCKET_SENT_BY, its, number, passed, self._total, messages))
            self._count_under_way(source, owner, its, messages)
        if self._fences:
            self._answer_fences()

    def end(self, source: WorkerPort, how: str, socket: Endable | None) -> bool:
        """END: let the worker of the owner end a socket, behind the messages that were passed on before.

        It is counted as a write. Return False if no actor has the socket any more.
        """
        number = source.process_number
        passed = self._count(number, 1)
        has_owner = socket is not None and socket.end_by(source, (how, number, passed, self._total))
        if self._fences:
            self._answer_fences()
        return has_owner

    def drain(self, source: WorkerPort, id_: int, ticket: int) -> None:
        """DRAIN: ask the worker that owns the socket, behind the messages that were passed on before."""
        connection = self._find(id_)
        hand_over = None if connection is None else _open_to_others(connection)
        if connection is None or hand_over is None:
            source.send((SOCKET_GONE, id_))
        else:
            hand_over.drain(connection.worker, source, ticket)

    def fence(self, worker: WorkerPort, process_number: int, count: int) -> None:
        """FENCE: answer once so many writes of a worker have been passed on, or the worker has died."""
        self._fences.append(_Fence(worker, process_number, count))
        self._answer_fences()

    def receipt(self, worker: WorkerPort, writes: int, size: int, late: int, id_: int) -> None:
        """RECEIPT: a worker has handled writes of `size` bytes; `late` of them met a closed socket, `id_` the last."""
        under_way = self._under_way[worker]
        under_way.writes -= writes
        under_way.size -= size
        if late:
            self._met_an_end(worker, id_, late)
        if under_way.writers:
            under_way.tell()

    # -- ends --

    def _met_an_end(self, worker: WorkerPort, id_: int, writes: int) -> None:
        """Count writes that met a socket behind its end, and let the worker log the first."""
        worker.send((SOCKET_GONE, id_) if self._told else (SOCKET_GONE, id_, True))
        self._told = True
        self.late += writes

    def dropped(self, connection: Connection, *, by_death: bool) -> None:
        """Count the writes that waited for a new owner when a connection ended."""
        hand_over = connection.hand_over
        if hand_over is not None and hand_over.dropped:
            if by_death:
                self.lost += hand_over.dropped
            elif hand_over.held_of is None:
                self.late += hand_over.dropped
            else:
                self._met_an_end(hand_over.held_of, connection.id, hand_over.dropped)

    def worker_ended(self, worker: WorkerPort) -> None:
        """Note the end of a worker's lane, behind its last request. Its death says nothing: fences for it are met."""
        self._ended.add(worker.process_number)
        self._fences = [fence for fence in self._fences if fence.worker is not worker]
        under_way = self._under_way.pop(worker, None)
        if under_way is not None:
            self.lost += under_way.writes
            under_way.size = 0
            under_way.tell()
        for other in self._under_way.values():
            other.writers.pop(worker, None)
        self._answer_fences()

    # --

    def _count(self, process_number: int, writes: int) -> int:
        """Count writes of a worker. Return how many of that worker have passed now."""
        self._total += writes
        self._passed[process_number] = passed = self._passed[process_number] + writes
        return passed

    def _answer_fences(self) -> None:
        left: list[_Fence] = []
        for fence in self._fences:
            number = fence.process_number
            passed = self._passed[number]
            if passed >= fence.needed or number in self._ended:
                fence.worker.send((SOCKET_FENCED, number, max(passed, fence.needed), self._total))
            else:
                left.append(fence)
        self._fences = left

    def _count_under_way(
        self, source: WorkerPort, owner: WorkerPort, ids: list[int], messages: Sequence[Sequence[Any]]
    ) -> None:
        under_way = self._under_way.get(owner)
        if under_way is None:
            under_way = self._under_way[owner] = _UnderWay()
        under_way.writes += len(ids) * len(messages)
        under_way.size += sum([len(data) for _, data in messages])
        if under_way.size > NOTE_BYTES:
            under_way.writers.setdefault(source, {}).update(dict.fromkeys(ids))
            under_way.told = under_way.size
            source.send((SOCKET_FILLED, ids, under_way.size))


def _open_to_others(connection: Connection) -> HandOver | None:
    """Return the other workers at a connection; None if it takes no output of theirs any more."""
    hand_over = connection.hand_over
    if hand_over is None:
        if connection.state in ACCEPTING:
            connection.hand_over = hand_over = HandOver(connection.id)
        return hand_over
    return hand_over if hand_over.accepts(connection.state) else None
