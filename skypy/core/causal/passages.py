"""The socket service's side of the order of foreign writes: it passes them on, counts them, and answers fences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from skypy.core.causal.foreign_output import BUDGET_BYTES
from skypy.core.tcp.connection import Connection
from skypy.core.tcp.worker_port import WorkerPort
from skypy.core.wire.socket_lane import (
    SOCKET_FENCED,
    SOCKET_FULL,
    SOCKET_GONE,
    SOCKET_ROOM,
    SOCKET_SENT_BY,
)


class _Fence(NamedTuple):
    worker: WorkerPort
    process_number: int
    needed: int


class _UnderWay:
    """What was passed on to one worker and has not been handled there."""

    __slots__ = ("full", "size", "writes")

    def __init__(self) -> None:
        self.writes = 0
        self.size = 0  # bytes
        self.full: dict[WorkerPort, list[int]] = {}
        """The sockets for which a writer was told to wait, by the writer."""


class Passages:
    """All foreign writes of a node on their way through the socket service."""

    def __init__(self, find: Callable[[int], Connection | None], log: Callable[[str], None]) -> None:
        """`find(id)` returns a connection, or None when it is gone. `log` takes whole lines."""
        self._find = find
        self._log = log
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

    def send(self, source: WorkerPort, ids: Sequence[int], messages: Sequence[tuple[int, bytes]]) -> None:
        """SEND: pass messages on, once to each worker that owns some of the sockets."""
        self._total += len(ids)
        number = source.process_number
        self._passed[number] = passed = self._passed[number] + len(ids)
        by_owner: dict[WorkerPort, list[int]] = {}
        for id_ in ids:
            connection = self._find(id_)
            if connection is None or not connection.accepts_foreign:
                source.send((SOCKET_GONE, id_))
                self.met_an_end(id_, len(messages))
                continue
            owner = connection.foreign_write(source, messages)
            if owner is not None:
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
            self.met_an_end(id_, late)
        if under_way.full and under_way.size <= BUDGET_BYTES // 2:
            self._make_room(under_way)

    # -- ends --

    def met_an_end(self, id_: int, writes: int) -> None:
        """Count writes that met a socket behind its end; the first is logged."""
        if not self.late:
            self._log(
                f"[socket service] a message to socket {id_} came after its end and is lost; "
                "further ones are counted as writes_after_close"
            )
        self.late += writes

    def dropped(self, connection: Connection, *, by_death: bool) -> None:
        """Count the writes that waited for a new owner when a connection ended."""
        hand_over = connection.hand_over
        if hand_over is not None and hand_over.dropped:
            if by_death:
                self.lost += hand_over.dropped
            else:
                self.met_an_end(connection.id, hand_over.dropped)

    def worker_ended(self, worker: WorkerPort) -> None:
        """Note the end of a worker's lane, behind its last request. Its death says nothing: fences for it are met."""
        self._ended.add(worker.process_number)
        self._fences = [fence for fence in self._fences if fence.worker is not worker]
        under_way = self._under_way.pop(worker, None)
        if under_way is not None:
            self.lost += under_way.writes
            self._make_room(under_way)
        for other in self._under_way.values():
            other.full.pop(worker, None)
        self._answer_fences()

    # --

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
        self, source: WorkerPort, owner: WorkerPort, ids: list[int], messages: Sequence[tuple[int, bytes]]
    ) -> None:
        under_way = self._under_way.get(owner)
        if under_way is None:
            under_way = self._under_way[owner] = _UnderWay()
        under_way.writes += len(ids) * len(messages)
        under_way.size += sum([len(data) for _, data in messages])
        if under_way.size >= BUDGET_BYTES:
            known = under_way.full.setdefault(source, [])
            known += ids
            source.send((SOCKET_FULL, ids))

    @staticmethod
    def _make_room(under_way: _UnderWay) -> None:
        for writer, ids in under_way.full.items():
            writer.send((SOCKET_ROOM, ids))
        under_way.full = {}
