"""Cases that no test of skynet covers: descriptors that run out, ids, and looking at the sockets of a node."""

from __future__ import annotations

import contextlib
import itertools
import re
import resource
import socket

import pytest

from tests.conformance.conftest import CONFIG
from tests.conformance.subject import (
    Ends,
    Failed,
    Held,
    Subject,
    take,
)
from tests.node.clients import finish, is_gone, read_to_end
from tests.node.harness import running

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
        node.wait_for_line(r"^\[:01\w+\] socket: error on \d+ Too many open files$")  # of the listener's owner
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


def test_a_command_with_a_dead_id_reaches_no_socket(subject: Subject) -> None:
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


def test_info_tells_the_state_of_a_socket(ends: Ends) -> None:
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


def test_a_command_on_a_foreign_socket_names_the_owner(subject: Subject, ends: Ends) -> None:
    _, held = ends
    other = subject("another", 1)
    with pytest.raises(Failed, match="belongs to another actor"):
        subject("ask", other, "read", held.fd)
    assert subject("ask", other, "invalid", held.fd)
    subject("kill", other)
