"""Writes to sockets of other workers: packed once, bounded, counted, and passed on once to each owner's worker."""

from __future__ import annotations

import pytest

from skypy.core.causal.fence import Fence
from skypy.core.causal.foreign_output import BUDGET_BYTES, NOTE_BYTES, ForeignOutput
from skypy.core.causal.passages import Passages
from skypy.core.tcp.connection import Connection
from skypy.core.wire.socket_lane import (
    HIGH,
    LOW,
    SEND,
    SOCKET_FENCED,
    SOCKET_FILLED,
    SOCKET_GONE,
    SOCKET_SENT_BY,
    Message,
)
from tests.core.ends import Heard, OneWorker

pytestmark = pytest.mark.interpreted


class Output:
    """The foreign output of a worker, and what it sends."""

    def __init__(self) -> None:
        self.heard = Heard()
        self.fence = Fence(1)
        self.asked: list[tuple[int, int]] = []
        self.fence.begin(
            lambda *fields: self.asked.append(fields), lambda: None, lambda: self.fence.total, lambda: None
        )
        self.output = ForeignOutput(self.heard.append, lambda: None, self.fence)

    def flushed(self) -> list[Message]:
        self.output.flush()
        return list(self.heard)


def test_a_message_to_many_sockets_is_sent_once() -> None:
    one, line = Output(), b"line"
    for id_ in (7, 8, 9):
        one.output.write(id_, line, HIGH)
    assert one.flushed() == [(SEND, [7, 8, 9], [(HIGH, line)])]
    assert one.fence.made == 3


def test_several_messages_to_many_sockets_are_sent_once() -> None:
    one, head, body = Output(), b"head", b"body"
    for id_ in (7, 8, 9):
        one.output.write(id_, head, HIGH)
        one.output.write(id_, body, HIGH)
    assert one.flushed() == [(SEND, [7, 8, 9], [(HIGH, head), (HIGH, body)])]
    assert one.fence.made == 3


def test_different_messages_keep_their_order() -> None:
    one, again = Output(), b"again"
    for id_, data, priority in ((7, b"a", HIGH), (8, again, HIGH), (7, again, LOW), (7, again, LOW), (7, b"b", HIGH)):
        one.output.write(id_, data, priority)
    assert one.flushed() == [
        (SEND, [7], [(HIGH, b"a")]),
        (SEND, [8], [(HIGH, again)]),
        (SEND, [7], [(LOW, again), (LOW, again), (HIGH, b"b")]),
    ]


def test_a_message_that_is_written_twice_to_a_socket_arrives_twice() -> None:
    one, line = Output(), b"line"
    for id_ in (7, 8, 7):
        one.output.write(id_, line, HIGH)
    assert one.flushed() == [(SEND, [7, 8, 7], [(HIGH, line)])]


def test_more_than_the_budget_is_refused_until_the_socket_service_has_it() -> None:
    one = Output()
    block = 1 << 20
    accepted = [one.output.write(7, bytes(block), HIGH) >= 0 for _ in range(100)]
    assert sum(accepted) * block == BUDGET_BYTES
    assert one.output.refused == 100 - sum(accepted)
    one.output.flush()
    assert one.asked == [(1, 1)]
    assert one.output.write(7, bytes(block), HIGH) < 0
    one.fence.reached(1, 1, 1)
    assert one.output.write(7, bytes(block), HIGH) >= 0


def test_one_message_may_be_larger_than_the_budget() -> None:
    one = Output()
    assert one.output.write(7, bytes(BUDGET_BYTES + 1), HIGH) >= 0
    assert one.output.write(7, b"x", HIGH) < 0


def test_a_line_to_many_sockets_counts_once_for_the_budget() -> None:
    one, data = Output(), bytes(NOTE_BYTES)
    assert all(one.output.write(id_, data, HIGH) >= 0 for id_ in range(1, 100))


def test_nothing_is_taken_for_a_socket_whose_workers_budget_is_used_up() -> None:
    one = Output()
    one.output.filled([7], BUDGET_BYTES - 1)
    written = [one.output.write(id_, data, HIGH) >= 0 for id_, data in ((7, b"x"), (7, b"y"), (8, b"z"))]
    assert written == [True, False, True]
    one.output.filled([7], 0)
    assert one.output.write(7, b"x", HIGH) >= 0


# -- the socket service --


class Service:
    """The passages, three connections of two owners, and a writer."""

    def __init__(self) -> None:
        self.told: dict[int, Heard] = {number: Heard() for number in (1, 2, 3)}
        self.workers = {number: _worker(number, heard) for number, heard in self.told.items()}
        self.connections = {id_: Connection(id_, self.workers[owner]) for id_, owner in ((7, 1), (8, 2), (9, 1))}
        self.passages = Passages(self.connections.get)


def _worker(number: int, heard: Heard) -> OneWorker:
    worker = OneWorker(heard.append)
    worker.process_number = number
    return worker


def test_a_message_goes_once_to_each_worker_with_some_of_its_sockets() -> None:
    service = Service()
    service.passages.send(service.workers[3], [7, 8, 9], [(HIGH, b"x")])
    assert service.told[1] == [(SOCKET_SENT_BY, [7, 9], 3, 3, 3, [(HIGH, b"x")])]
    assert service.told[2] == [(SOCKET_SENT_BY, [8], 3, 3, 3, [(HIGH, b"x")])]


def test_a_fence_is_answered_when_its_count_is_reached() -> None:
    service = Service()
    service.passages.fence(service.workers[1], 3, 2)
    service.passages.send(service.workers[3], [8], [(HIGH, b"x")])
    assert service.told[1] == []
    service.passages.send(service.workers[3], [8], [(HIGH, b"x")])
    assert service.told[1] == [(SOCKET_FENCED, 3, 2, 2)]


def test_a_fence_for_a_worker_that_has_died_is_answered() -> None:
    service = Service()
    service.passages.fence(service.workers[1], 3, 2)
    service.passages.worker_ended(service.workers[3])
    assert service.told[1] == [(SOCKET_FENCED, 3, 2, 0)]


def test_a_writer_is_told_how_much_is_under_way_to_a_worker_and_when_it_is_little_again() -> None:
    service, size = Service(), BUDGET_BYTES // 2
    for _ in range(2):
        service.passages.send(service.workers[3], [7], [(HIGH, bytes(size))])
    assert service.told[3] == [(SOCKET_FILLED, [7], size), (SOCKET_FILLED, [7], 2 * size)]
    service.passages.receipt(service.workers[1], 1, 1000, 0, 0)
    service.passages.receipt(service.workers[1], 1, size, 0, 0)
    service.passages.receipt(service.workers[1], 1, size - 1000, 0, 0)
    assert service.told[3][2:] == [(SOCKET_FILLED, [7], size - 1000), (SOCKET_FILLED, [7], 0)]


def test_the_writers_to_a_worker_that_has_died_may_write_to_others() -> None:
    service = Service()
    service.passages.send(service.workers[3], [7], [(HIGH, bytes(BUDGET_BYTES))])
    service.passages.worker_ended(service.workers[1])
    assert service.told[3][-1] == (SOCKET_FILLED, [7], 0)


def test_the_first_message_behind_an_end_is_said_and_all_are_counted() -> None:
    service = Service()
    for _ in range(2):
        service.passages.send(service.workers[3], [10, 7], [(HIGH, b"x")])
    service.passages.receipt(service.workers[1], 2, 2, 1, 7)
    assert service.told[3] == [(SOCKET_GONE, 10, True), (SOCKET_GONE, 10)]
    assert service.passages.late == 3


def test_a_worker_that_dies_loses_what_it_has_not_handled() -> None:
    service = Service()
    service.passages.send(service.workers[3], [7, 9], [(HIGH, b"x"), (HIGH, b"y")])
    service.passages.receipt(service.workers[1], 1, 1, 0, 0)
    service.passages.worker_ended(service.workers[1])
    assert service.passages.lost == 3
