"""What no test of skynet covers: closed halves, shutdown against close, warnings, priorities, flow, ids."""

from __future__ import annotations

import contextlib
import itertools
import random
import re
import resource
import socket
from collections.abc import Iterator

import pytest

from tests.conformance.conftest import CONFIG
from tests.conformance.subject import Failed, Held, Subject, digest, digest_to_end, fill, take
from tests.node.clients import finish, is_gone, read_to_end, reset
from tests.node.harness import RunningNode, running

MIB = 1 << 20
WINDOW = 131072
"""`read_window`: what a socket may hold unread."""
RESET_LINE = r"socket: error on \d+ (Connection reset by peer|Broken pipe)$"

Ends = tuple[socket.socket, Held]


@pytest.fixture
def ends(subject: Subject) -> Iterator[Ends]:
    """A client, and what the subject holds of it."""
    with subject.client(subject.serve()[1]) as ends:
        yield ends


# -- half-close in both directions -------------------------------------------------------------------------------------


def test_the_peer_finishes_first_and_still_gets_everything(ends: Ends) -> None:
    client, held = ends
    client.sendall(b"question")
    finish(client)
    assert held("readall") == b"question"
    held("pour", 4 * MIB)
    held.shutdown("w")
    assert digest_to_end(client) == digest(4 * MIB)


def test_we_finish_first_and_still_get_everything(ends: Ends) -> None:
    client, held = ends
    held.write(b"question")
    held.shutdown("w")
    assert read_to_end(client) == b"question"
    reading = held.begin("digest")
    client.sendall(random.Random(0).randbytes(4 * MIB))
    finish(client)
    assert reading.result() == digest(4 * MIB)
    assert held.read() is None


def test_both_finish_at_once(ends: Ends) -> None:
    client, held = ends
    held.write(b"ours")
    client.sendall(b"theirs")
    finish(client)
    held.shutdown("w")
    assert read_to_end(client) == b"ours"
    assert held("readall") == b"theirs"


def test_a_half_closed_socket_changes_hands(subject: Subject, ends: Ends) -> None:
    """The new owner reads what is left, then the end, and can still answer."""
    client, held = ends
    client.sendall(b"left")
    finish(client)
    held("event", "eof")
    other = subject("another", 2)
    subject("ask", other, "start", held.fd)
    assert subject("ask", other, "readall", held.fd) == b"left"
    assert subject("ask", other, "read", held.fd) is None
    assert subject("ask", other, "write", held.fd, b"answer")
    subject("kill", other)
    assert read_to_end(client) == b"answer"


def test_a_new_owner_is_told_of_an_end_that_came_before(subject: Subject, ends: Ends) -> None:
    client, held = ends
    finish(client)
    held("event", "eof")
    other = subject("another", 2)
    subject("ask", other, "start", held.fd)
    assert subject("ask", other, "disconnected", held.fd)
    subject("ask", other, "watch", held.fd)
    assert subject("ask", other, "event", held.fd, "eof") == ["eof"]
    subject("kill", other)
    assert read_to_end(client) == b""


# -- shutdown and close with output that has not gone ------------------------------------------------------------------


def test_close_delivers_what_is_queued(ends: Ends) -> None:
    client, held = ends
    held("pour", 16 * MIB)
    held.close()
    assert held("events")[-1] == "closed"
    assert digest_to_end(client) == digest(16 * MIB)


def test_shutdown_drops_what_is_queued_and_says_so_to_the_peer(ends: Ends) -> None:
    client, held = ends
    held("pour", 16 * MIB)
    held.shutdown("rw")
    assert held("events")[-1] == "shutdown"
    with pytest.raises(ConnectionResetError):
        digest_to_end(client)


def test_shutdown_cuts_a_close_short_no_more(ends: Ends) -> None:
    """A closed socket is gone: nothing that its former owner does can harm what is on its way."""
    client, held = ends
    held("pour", 16 * MIB)
    held.close()
    held.shutdown("rw")
    assert digest_to_end(client) == digest(16 * MIB)


# -- warnings and drain ------------------------------------------------------------------------------------------------


def test_warnings_come_at_one_mebibyte_and_its_doubles_and_at_zero(ends: Ends) -> None:
    client, held = ends
    for _ in range(32):
        held.write(bytes(MIB))
    warnings = list(held("events"))
    for warning, least in zip(warnings, (1, 2, 4, 8, 16), strict=False):
        assert warning >= least * MIB
    assert len(warnings) >= 4  # the kernel has taken a few MiB
    assert len(take(client, 32 * MIB)) == 32 * MIB
    assert held("event", 0) == [*warnings, 0]
    held.write(bytes(MIB // 2))
    assert held("events") == [*warnings, 0]


def test_warnings_begin_anew_when_all_has_gone(ends: Ends) -> None:
    client, held = ends
    for round_ in (1, 2):
        held("pour", 16 * MIB)
        assert len(take(client, 16 * MIB)) == 16 * MIB
        held("event", 0)
        subject_events = held("events")
        assert subject_events.count(0) >= 1
        assert subject_events[0] >= MIB
        held("forget_events")
        assert round_


def test_without_a_function_warnings_go_to_the_log(subject: Subject, ends: Ends) -> None:
    client, held = ends
    held("onwarning", None)
    held("pour", 16 * MIB)
    subject.node.wait_for_line(rf"^\[:01000001\] socket: \d+ bytes wait to be sent on {held.fd}$")
    assert len(take(client, 16 * MIB)) == 16 * MIB
    held("drain")


def test_drain_returns_when_little_enough_is_left(ends: Ends) -> None:
    client, held = ends
    held("pour", 16 * MIB)
    draining = held.begin("drain")
    assert held("info")["queued"] > MIB
    assert len(take(client, 16 * MIB)) == 16 * MIB
    draining.result()
    assert held("info")["queued"] <= MIB


# -- priorities --------------------------------------------------------------------------------------------------------


def test_high_goes_before_low_and_never_into_the_middle_of_a_message(ends: Ends) -> None:
    client, held = ends
    size = 16 * MIB
    held("write_ones", size)  # the kernel has taken a part of it when the others come
    held("write_both", [("low", b"2" * 100), ("high", b"3" * 100), ("low", b"4" * 100), ("high", b"5" * 100)])
    assert set(take(client, size)) == {ord("1")}
    order = take(client, 400)
    assert [order[start : start + 100] for start in range(0, 400, 100)] == [
        b"3" * 100,
        b"5" * 100,
        b"2" * 100,
        b"4" * 100,
    ]


# -- pause, resume, limit ----------------------------------------------------------------------------------------------


def test_a_paused_socket_takes_no_more_than_a_window_until_it_is_resumed(ends: Ends) -> None:
    client, held = ends
    held("pause")
    sent = fill(client)
    assert held("info")["received"] <= WINDOW < sent  # what had been granted before the pause
    held("resume")
    finish(client)
    assert len(held("readall")) == sent


def test_a_read_that_has_to_wait_resumes_by_itself(ends: Ends) -> None:
    client, held = ends
    held("pause")
    reading = held.begin("readline")
    client.sendall(b"line\n")
    assert reading.result() == b"line"


def test_what_has_come_before_a_pause_is_read_during_it(ends: Ends) -> None:
    client, held = ends
    client.sendall(b"abcd")
    assert held.read(2) == b"ab"
    held("pause")
    assert held.read() == b"cd"


def test_a_reader_that_takes_its_time_slows_the_peer_down(ends: Ends) -> None:
    """Without any pause: what lies unread stays within the window."""
    client, held = ends
    sent = fill(client)
    assert held("info")["unread"] <= WINDOW
    finish(client)
    assert len(held("readall")) == sent


def test_a_limit_closes_a_socket_whose_peer_sends_more(ends: Ends, node: RunningNode) -> None:
    node.expect_trouble(r"socket: error on \d+ Message too long \(buffer_limit\)$")
    client, held = ends
    held("limit", 1000)
    client.sendall(bytes(5000))
    assert held("event", "buffer_limit") == ["buffer_limit"]
    assert held.read(1000) == bytes(1000)  # what had come stays
    held("read")
    assert held.fails("read") == "BufferLimit"
    assert held.read() is None
    assert is_gone(client)


def test_a_limit_lets_a_sized_read_have_what_it_asked_for(ends: Ends) -> None:
    client, held = ends
    held("limit", 1000)
    reading = held.begin("read", 5000)
    client.sendall(bytes(5000))
    assert reading.result() == bytes(5000)
    held("limit", None)
    client.sendall(bytes(5000))
    assert held.read(5000) == bytes(5000)
    assert held("events") == []


# -- the end is told once, with its reason -----------------------------------------------------------------------------


def closes(client: socket.socket, held: Held) -> None:
    held.close()


def shuts_down(client: socket.socket, held: Held) -> None:
    held.shutdown("rw")


def aborts(client: socket.socket, held: Held) -> None:
    held("abort")


def peer_finishes(client: socket.socket, held: Held) -> None:
    finish(client)
    held("event", "eof")
    held.close()


def peer_resets(client: socket.socket, held: Held) -> None:
    reset(client)
    held("event", "reset")
    held.close()


@pytest.mark.parametrize(
    ("ends_it", "reason"),
    [
        (closes, "closed"),
        (shuts_down, "shutdown"),
        (aborts, "aborted"),
        (peer_finishes, "eof"),
        (peer_resets, "reset"),
    ],
)
def test_the_end_is_told_once_with_its_reason(ends: Ends, node: RunningNode, ends_it: object, reason: str) -> None:
    node.allow_trouble(RESET_LINE)
    client, held = ends
    assert callable(ends_it)
    ends_it(client, held)
    assert held("events") == [reason]


def test_a_reset_behind_the_end_is_told_as_well(ends: Ends, node: RunningNode) -> None:
    """The owner still means to answer, and learns that there is nobody left."""
    node.expect_trouble(RESET_LINE)
    client, held = ends
    finish(client)
    held("event", "eof")
    reset(client)
    assert held("event", "reset") == ["eof", "reset"]
    assert not held.write(b"answer")


# -- descriptors that run out ------------------------------------------------------------------------------------------


def test_clients_are_turned_away_when_descriptors_run_out_and_taken_again_when_some_are_free() -> None:
    with running(CONFIG, "start=subject") as node:
        subject = Subject(node)
        _, port = subject.serve()
        service = node.child("socket service")
        few = node.descriptors()["service"] + 8
        _, most = resource.prlimit(service, resource.RLIMIT_NOFILE)
        resource.prlimit(service, resource.RLIMIT_NOFILE, (few, most))
        node.allow_trouble(r"Too many open files")
        clients = [socket.create_connection(("127.0.0.1", port), 20) for _ in range(40)]
        for client in clients:
            finish_quietly(client)
        gone = [client for client in clients[8:] if is_gone(client)]
        assert len(gone) == 32
        served = Held(subject, subject("client", clients[0].getsockname()[1]))
        served.write(b"served")
        assert take(clients[0], 6) == b"served"
        for client in clients:
            client.close()
        resource.prlimit(service, resource.RLIMIT_NOFILE, (most, most))
        subject("tidy_clients")
        with subject.client(port) as (client, held):
            client.sendall(b"again")
            assert held.read(5) == b"again"
        subject("tidy")
        subject.close()


def finish_quietly(client: socket.socket) -> None:
    with contextlib.suppress(OSError):
        finish(client)


# -- ids ---------------------------------------------------------------------------------------------------------------


def test_ids_are_never_given_out_twice(subject: Subject) -> None:
    """The kernel gives the same descriptor again and again; we never the same id."""
    _, port = subject.serve()
    ids = []
    for _ in range(300):
        with subject.client(port) as (client, held):
            ids.append(held.fd)
            held.close()
            assert read_to_end(client) == b""
    assert all(earlier < later for earlier, later in itertools.pairwise(ids))


def test_what_names_a_dead_id_reaches_nobody(subject: Subject) -> None:
    _, port = subject.serve()
    with subject.client(port) as (client, dead):
        dead.close()
        assert read_to_end(client) == b""
    with subject.client(port) as (client, alive):
        assert not dead.write(b"for a dead one")
        dead.shutdown("rw")
        dead.close()
        assert dead("invalid")
        assert dead("disconnected")
        assert dead.fails("read") == "SocketClosed"
        assert dead.fails("start") == "SocketClosed"
        alive.write(b"for the living")
        alive.shutdown("w")
        assert read_to_end(client) == b"for the living"


# -- seeing ------------------------------------------------------------------------------------------------------------


def test_info_tells_what_a_socket_is_doing(ends: Ends) -> None:
    client, held = ends
    client.sendall(b"12345")
    assert held.read(2) == b"12"
    held.write(b"abc")
    assert take(client, 3) == b"abc"
    info = held("info")
    assert (info["unread"], info["received"], info["sent"], info["queued"]) == (3, 5, 3, 0)


def test_netstat_lists_every_socket_of_the_node(subject: Subject) -> None:
    before = subject("states")
    listener, port = subject.serve()
    with subject.client(port) as (client, held):
        added = [row for row in subject("states") if row not in before]
        assert sorted(id_ for id_, _, _ in added) == [listener, held.fd]
        finish(client)
        held("event", "eof")
        state = {id_: state for id_, _, state in subject("states")}[held.fd]
        assert re.search("half", state, re.IGNORECASE), state


def test_a_command_on_a_foreign_socket_says_whose_it_is(subject: Subject, ends: Ends) -> None:
    _, held = ends
    other = subject("another", 1)
    with pytest.raises(Failed, match="belongs to another actor"):
        subject("ask", other, "read", held.fd)
    assert subject("ask", other, "invalid", held.fd)
    subject("kill", other)
