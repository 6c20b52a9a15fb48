"""Output that a worker hands over leaves whole, in order, and is reported as it goes."""

from __future__ import annotations

import errno
import itertools

from skypy.core.wire.socket_lane import HALF_SENT, HIGH, LOW, SOCKET_SENT, WRITE
from tests.net.players import PLENTY
from tests.net.stage import Stage


def test_forwarded_output_arrives_and_its_position_is_reported(stage: Stage) -> None:
    held, peer = stage.pair()
    held.write_directly(b"first, ")
    held.write(b"second")
    assert stage.read(peer, 13) == b"first, second"
    stage.until(lambda: held.sent == 13, "SOCKET_SENT")
    assert held.reports == [[SOCKET_SENT, held.id, 13]]


def test_the_worker_writes_directly_again_once_everything_is_sent(stage: Stage) -> None:
    held, peer = stage.pair()
    held.write(b"1")
    stage.until(lambda: held.sent == 1, "SOCKET_SENT")
    held.write_directly(b"2")
    held.write(b"3")
    stage.until(lambda: held.sent == 3, "SOCKET_SENT")
    assert stage.read(peer, 3) == b"123"
    stage.settle()
    assert [report[2] for report in held.reports] == [1, 3]


def test_a_peer_that_does_not_read_holds_up_the_output_without_waking_the_service(stage: Stage) -> None:
    held, peer = stage.pair()
    held.write(PLENTY)
    stage.settle()
    assert 0 < held.sent < len(PLENTY)
    assert stage.ready == []
    assert stage.read(peer, len(PLENTY)) == PLENTY


def test_progress_is_reported_about_every_64_kib_and_at_the_end(stage: Stage) -> None:
    held, peer = stage.pair()
    held.write(PLENTY)
    assert stage.read(peer, len(PLENTY)) == PLENTY
    stage.until(lambda: held.sent == len(PLENTY), "the last SOCKET_SENT")
    positions = [report[2] for report in held.reports]
    assert positions == sorted(set(positions))
    assert 2 <= len(positions) <= len(PLENTY) // 65536 + 1


def test_high_messages_go_before_low_ones_but_never_into_a_message(stage: Stage) -> None:
    held, peer = stage.pair()
    held.write(PLENTY)  # half of it leaves at once
    stage.settle()
    stage.worker.send_at_once(
        held.writing(b"low 1 "),
        held.writing(b"high 1 ", HIGH),
        held.writing(b"low 2 "),
        held.writing(b"high 2 ", HIGH),
    )
    stage.settle()
    behind = b"high 1 high 2 low 1 low 2 "
    assert stage.read(peer, len(PLENTY) + len(behind)) == PLENTY + behind


def test_one_write_may_bring_a_half_sent_rest_and_both_priorities(stage: Stage) -> None:
    held, peer = stage.pair()
    held.write_directly(b"begun ")
    stage.worker.send(WRITE, held.id, 6, [(HALF_SENT, b"rest "), (HIGH, b"high "), (LOW, b"low ")], 0)
    assert stage.read(peer, 20) == b"begun rest high low "
    stage.until(lambda: held.sent == 20, "SOCKET_SENT")


def test_a_half_sent_rest_stays_in_front_of_what_comes_later(stage: Stage) -> None:
    held, peer = stage.pair()
    held.write_directly(b"begun ")
    held.write(PLENTY, HALF_SENT)
    stage.settle()
    held.write(b"urgent", HIGH)
    assert stage.read(peer, 6 + len(PLENTY) + 6) == b"begun " + PLENTY + b"urgent"


def test_thousands_of_small_messages_arrive_in_order(stage: Stage) -> None:
    held, peer = stage.pair()
    messages = [f"message {number}\n".encode() for number in range(5000)]
    whole = b"".join(messages)
    stage.worker.send(WRITE, held.id, 0, [(LOW, message) for message in messages], 0)
    assert stage.read(peer, len(whole)) == whole
    stage.until(lambda: held.sent == len(whole), "SOCKET_SENT")


def test_messages_of_many_writes_stay_in_order_while_the_peer_reads_slowly(stage: Stage) -> None:
    held, peer = stage.pair()
    received = b""
    for number in itertools.count():
        held.write(number.to_bytes(4, "big") * 2000)
        stage.turn()
        received += stage.read(peer, 6000)
        if number == 40:
            break
    received += stage.read(peer, held.out - len(received))
    assert received == b"".join(number.to_bytes(4, "big") * 2000 for number in range(41))


def test_an_empty_message_is_no_output(stage: Stage) -> None:
    held, peer = stage.pair()
    held.write(b"")
    stage.worker.send(WRITE, held.id, 0, [(LOW, b""), (HIGH, b"")], 0)
    stage.settle()
    assert held.reports == []
    stage.echo(held, peer)


def test_a_write_at_a_position_that_is_not_the_end_of_the_output_ends_that_connection(stage: Stage) -> None:
    held, peer = stage.pair()
    friend, friends_peer = stage.pair()
    held.write(PLENTY)
    stage.settle()
    stage.worker.send(WRITE, held.id, len(PLENTY) + 1, [(LOW, b"after a gap")], 0)
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    assert held.ends == [errno.EIO]
    assert stage.read_to_end(peer)[1] == errno.ECONNRESET  # never a clean end: bytes are missing or doubled
    [line] = stage.lines
    assert f"socket {held.id}: WRITE at {len(PLENTY) + 1}, expected {len(PLENTY)}" in line
    stage.echo(friend, friends_peer)
