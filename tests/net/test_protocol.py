"""A wrong message harms only the worker that sent it; a request that crosses a report is dropped and counted."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from skypy.core.tcp.state import State
from skypy.core.wire.frames import HEADER, MARK, encode
from skypy.core.wire.socket_lane import ABORT, CANCEL, CLOSE, CONNECT, CREDIT, LISTEN, LOW, SHUTDOWN, WRITE
from skypy.net.kernel_facts import peer_address
from tests.net.players import HOST, PLENTY, Held
from tests.net.stage import Stage
from tests.net.states import bring_to


def frame(*messages: object) -> bytes:
    return encode(list(messages))


REQUESTS: dict[str, tuple[int, tuple[Any, ...]]] = {
    "CREDIT": (CREDIT, (1000,)),
    "WRITE": (WRITE, (0, [(LOW, b"not mine")], 0)),
    "SHUTDOWN": (SHUTDOWN, ("w",)),
    "CLOSE": (CLOSE, ()),
    "ABORT": (ABORT, (False,)),
}

WRONG: dict[str, bytes] = {
    "a body that is no value": HEADER.pack(MARK, 0, 0, 1) + b"\xc1",
    "a body that is cut short": HEADER.pack(MARK, 0, 0, 2) + b"\x92\x01",
    "a frame that is no list": HEADER.pack(MARK, 0, 0, 1) + b"\x01",
    "a message that is no list": frame(7),
    "an empty message": frame(()),
    "an unknown kind": frame((99, 1)),
    "a kind that is a text": frame(("CLOSE", 1)),
    "a kind that is a list": frame(([1], 1)),
    "no id": frame((CLOSE,)),
    "an id that is a list": frame((CLOSE, [1])),
    "too few fields": frame((CONNECT, 1)),
    "too many fields": frame((CONNECT, 1, [], 2)),
    "addresses that are a number": frame((LISTEN, 1, 7, 16)),
    "a host that is a number": frame((CONNECT, 1, [(socket.AF_INET, 7, 80)])),
    "a family that is a text": frame((LISTEN, 1, [("INET", HOST, 0)], 16)),
    "too many elements": HEADER.pack(MARK, 0, 0, 5) + b"\xdd\xff\xff\xff\xff",
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_message_that_is_not_a_request_ends_its_lane_and_no_other(stage: Stage, wrong: str) -> None:
    other = stage.add_worker()
    friend, friends_peer = stage.pair(other)
    held, peer = stage.pair()
    held.write(b"handed over before")
    stage.settle()
    stage.worker.send_bytes(WRONG[wrong])
    stage.until(lambda: stage.worker.ended, "the end of the lane")
    [line] = stage.lines
    assert line.startswith("[socket service] a worker's lane was ended: it does not keep to the protocol: ")
    assert stage.read_to_end(peer) == (b"handed over before", 0)
    stage.echo(friend, friends_peer)


def test_a_frame_that_is_never_completed_is_dropped_with_the_lane(stage: Stage) -> None:
    held, peer = stage.pair()
    stage.worker.send_bytes(frame(held.writing(b"never complete"))[:-1])
    stage.settle()
    stage.worker.die()
    assert stage.read_to_end(peer) == (b"", 0)
    assert stage.lines == []


def test_a_request_may_arrive_in_pieces(stage: Stage) -> None:
    held, peer = stage.pair()
    for byte in frame(held.writing(b"whole"), held.writing(b" again")):
        stage.worker.send_bytes(bytes([byte]))
        stage.turn()
    assert stage.read(peer, 11) == b"whole again"


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_about_an_unknown_socket_is_dropped_and_counted(stage: Stage, name: str) -> None:
    kind, fields = REQUESTS[name]
    stage.worker.send(kind, 12345, *fields)
    stage.until(lambda: stage.service.dropped, "the drop")
    assert stage.service.dropped == {kind: 1}
    assert not stage.worker.ended


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_about_another_workers_socket_is_dropped_and_counted(stage: Stage, name: str) -> None:
    held, peer = stage.pair()
    other = stage.add_worker()
    kind, fields = REQUESTS[name]
    other.send(kind, held.id, *fields)
    stage.until(lambda: stage.service.dropped, "the drop")
    assert stage.service.dropped == {kind: 1}
    assert stage.state(held) is State.OPEN
    stage.echo(held, peer)


@pytest.mark.parametrize("name", ["CREDIT", "CLOSE"])
def test_a_request_about_another_workers_listener_is_dropped_and_counted(stage: Stage, name: str) -> None:
    listener = stage.worker.listen()
    other = stage.add_worker()
    kind, fields = REQUESTS[name]
    other.send(kind, listener.id, *fields)
    stage.until(lambda: stage.service.dropped, "the drop")
    stage.peer(listener.address[1])
    stage.settle()
    assert stage.worker.accepted(listener) == []
    listener.send(CREDIT, 1)
    stage.until(lambda: stage.worker.accepted(listener), "the client")


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("state", [State.CLOSING, State.CLOSING_HALF_CLOSED, State.LINGERING])
def test_a_request_behind_the_close_is_dropped_and_counted(stage: Stage, state: State, name: str) -> None:
    held, peer = bring_to(stage, state)
    kind, fields = REQUESTS[name]
    held.send(kind, *fields)
    stage.until(lambda: stage.service.dropped, "the drop")
    assert stage.service.dropped == {kind: 1}
    assert stage.read_to_end(peer) == (PLENTY[: held.out], 0)


def test_requests_that_crossed_the_end_of_a_connection_are_dropped(stage: Stage) -> None:
    held, peer = stage.pair()
    stage.worker.reading = False
    peer.close()
    held.shutdown("w")
    stage.until_state(held, State.CLOSED)
    held.credit()
    held.write(b"crossed")
    held.close()
    stage.settle()
    assert stage.service.dropped == {WRITE: 1}, "what remains has an owner until CLOSE"
    assert not stage.service.sockets._ended
    held.credit()
    held.close()
    stage.settle()
    assert stage.service.dropped == {WRITE: 1, CREDIT: 1, CLOSE: 1}
    stage.worker.reading = True
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")


def test_a_cancel_that_comes_too_late_is_nothing_special(stage: Stage) -> None:
    stage.worker.send(CANCEL, 1)
    stage.settle()
    assert not stage.worker.ended


def await_forget(stage: Stage, *gone: Held) -> None:
    stage.until(lambda: all(held.forgotten for held in gone), "SOCKET_FORGET")


def test_ids_are_never_given_out_twice(stage: Stage) -> None:
    _, port = stage.server()
    ids: list[int] = []
    for _ in range(20):
        held, peer = stage.pair()
        made = stage.worker.opened(stage.worker.connect(port))
        listener = stage.worker.listen()
        ids += [held.id, made.id, listener.id]
        for one in (held, made, listener):
            one.close()
        peer.close()
        await_forget(stage, held, made, listener)
        stage.until_state(held, State.CLOSED)
    assert ids == sorted(set(ids))


@pytest.mark.parametrize("name", ["ABORT", "CLOSE"])
def test_a_client_accepted_in_the_turn_in_which_another_was_given_up_is_its_own(stage: Stage, name: str) -> None:
    kind, fields = REQUESTS[name]
    listener = stage.worker.listen(credit=10)
    peers = [stage.peer(listener.address[1]) for _ in range(3)]
    stage.until(lambda: len(stage.worker.accepted(listener)) == 3, "the clients")
    old = stage.worker.accepted(listener)
    for held in old:
        held.credit()
    stage.settle()
    for peer in peers:
        peer.sendall(b"for the old one")  # an event of the old socket is in the same turn
        peer.shutdown(socket.SHUT_WR)
    stage.worker.send_at_once(*((kind, held.id, *fields) for held in old))
    newcomers = [stage.peer(listener.address[1]) for _ in range(3)]
    stage.until(lambda: len(stage.worker.accepted(listener)) == 6, "the newcomers")
    new = stage.worker.accepted(listener)[3:]
    stage.settle()
    assert all(held.reports == [] for held in new)
    for held, peer in zip(new, newcomers, strict=True):
        held.credit()
        stage.echo(held, peer)


def test_an_event_of_a_socket_that_was_given_up_in_the_same_turn_is_dropped(stage: Stage) -> None:
    held, peer = stage.pair()
    stage.settle()
    held.abort()
    peer.sendall(b"too late")
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    assert held.pieces == []


def test_an_event_of_a_socket_given_up_in_the_same_turn_is_not_taken_for_one_of_its_successor(stage: Stage) -> None:
    held, peer = stage.pair()
    port = stage.silent_port()
    stage.settle()
    stage.worker.send_at_once((ABORT, held.id, False), (CONNECT, 77, [(socket.AF_INET, HOST, port)]))
    peer.sendall(b"for the old one")
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    stage.settle()
    assert [report for report in stage.worker.reports if report[1] == 77] == []
    stage.worker.send(CANCEL, 77)
    stage.settle()


def test_a_connection_that_has_ended_has_no_peer() -> None:
    with socket.socket() as ended:
        assert peer_address(ended) == ("", 0)
