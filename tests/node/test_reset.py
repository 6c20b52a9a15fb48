"""A reset by the peer, whichever process meets it first: one line in the log, never a clean end-of-file."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.node.clients import finish, reset, unacknowledged
from tests.node.harness import RunningNode, running

BROKEN = r"^\[:01000001\] socket: error on \d+ Connection reset by peer$"


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningNode]:
    with running("recorder") as node:
        yield node


@pytest.fixture
def client(node: RunningNode) -> Iterator[socket.socket]:
    with node.connect() as client:
        yield client


@contextmanager
def stopped(node: RunningNode) -> Iterator[None]:
    """The socket service does not move, so that the worker meets what happens first."""
    service = node.child("socket service")
    os.kill(service, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(service, signal.SIGCONT)


def record_of(node: RunningNode, port: int) -> list[str]:
    return node.wait_for_line(rf"record of {port}: (.*)")[1].split(", ")


def port_of(client: socket.socket) -> int:
    port: int = client.getsockname()[1]
    return port


def test_the_read_of_the_socket_service_meets_it(node: RunningNode, client: socket.socket) -> None:
    node.expect_trouble(BROKEN)
    port = port_of(client)
    client.sendall(b"read\na\nb\nrest")
    reset(client)
    assert record_of(node, port) == ["a", "b", "ECONNRESET raised", "None", "rest", "False"]


def test_the_write_of_the_worker_meets_it(node: RunningNode, client: socket.socket, tmp_path: Path) -> None:
    node.expect_trouble(BROKEN)
    port = port_of(client)
    go = tmp_path / "go"
    client.sendall(b"write %s\na\n" % bytes(go) + (b"x" * 60000 + b"\n") * 3)  # the service pauses at 131072 bytes
    node.wait_for_line(f"{port} waits")
    node.eventually(lambda: unacknowledged(client) == 0, "not everything arrives")
    with stopped(node):
        reset(client)
        go.touch()
        node.wait_for_line(f"{port} has written")
    long_lines = ["60000 bytes"] * 3
    assert record_of(node, port) == ["a", "True", *long_lines, "ECONNRESET raised", "None", "None", "False"]


def test_nobody_reads_and_more_is_unread_than_is_granted_when_it_comes(
    node: RunningNode, client: socket.socket, tmp_path: Path
) -> None:
    node.expect_trouble(BROKEN)
    port = port_of(client)
    go = tmp_path / "go"
    client.sendall(b"write %s\na\n" % bytes(go) + (b"x" * 60000 + b"\n") * 3)
    node.wait_for_line(f"{port} waits")
    node.eventually(lambda: unacknowledged(client) == 0, "not everything arrives")
    reset(client)
    node.wait_for_line(BROKEN)
    go.touch()
    long_lines = ["60000 bytes"] * 3
    assert record_of(node, port) == ["a", "False", *long_lines, "ECONNRESET raised", "None", "None", "False"]


def test_the_write_of_the_worker_meets_it_before_the_socket_service_could_read(
    node: RunningNode, client: socket.socket, tmp_path: Path
) -> None:
    node.expect_trouble(BROKEN)
    port = port_of(client)
    go = tmp_path / "go"
    client.sendall(b"write %s\na\n" % bytes(go))
    node.wait_for_line(f"{port} waits")
    with stopped(node):
        reset(client)
        go.touch()
        node.wait_for_line(f"{port} has written")  # which took the kernel's only notice of the reset
    assert record_of(node, port) == ["a", "True", "ECONNRESET raised", "None", "None", "False"]


def test_the_write_of_the_socket_service_meets_it(node: RunningNode, client: socket.socket) -> None:
    node.expect_trouble(BROKEN)
    port = port_of(client)
    client.sendall(b"queue\na\n")
    client.recv(1, socket.MSG_PEEK)
    reset(client)
    assert record_of(node, port) == ["True", "ECONNRESET raised", "a", "ECONNRESET raised", "None", "None", "False"]


def test_a_reset_is_noticed_while_no_task_reads_or_writes(
    node: RunningNode, client: socket.socket, tmp_path: Path
) -> None:
    node.expect_trouble(BROKEN)
    port = port_of(client)
    go = tmp_path / "go"
    client.sendall(b"write %s\na\nb\n" % bytes(go))
    node.wait_for_line(f"{port} waits")
    reset(client)
    node.wait_for_line(BROKEN)
    go.touch()
    assert record_of(node, port) == ["a", "False", "b", "ECONNRESET raised", "None", "None", "False"]


def test_after_the_peers_end_of_file_the_socket_service_meets_it(
    node: RunningNode, client: socket.socket, tmp_path: Path
) -> None:
    node.expect_trouble(BROKEN)
    port = port_of(client)
    go = tmp_path / "go"
    client.sendall(b"write %s\na\n" % bytes(go))
    node.wait_for_line(f"{port} waits")
    finish(client)
    reset(client)
    node.wait_for_line(BROKEN)
    go.touch()
    record = record_of(node, port)
    assert record[:2] == ["a", "False"]
    assert record[-3:] == ["None", "None", "False"]  # whether the end-of-file was read before the reset is a race


def test_after_the_peers_end_of_file_a_write_of_the_worker_meets_it(
    node: RunningNode, client: socket.socket, tmp_path: Path
) -> None:
    node.expect_trouble(BROKEN)
    port = port_of(client)
    go = tmp_path / "go"
    client.sendall(b"write %s\na\n" % bytes(go))
    node.wait_for_line(f"{port} waits")
    with stopped(node):
        finish(client)
        reset(client)
        go.touch()
        node.wait_for_line(f"{port} has written")
    assert record_of(node, port)[:2] == ["a", "True"]  # EPIPE, which is the same reset


def test_a_client_that_closes_with_bytes_unread_resets_as_well(node: RunningNode, client: socket.socket) -> None:
    node.expect_trouble(BROKEN)
    port = port_of(client)
    client.sendall(b"queue\n")
    client.recv(1, socket.MSG_PEEK)
    client.close()
    assert record_of(node, port) == ["True", "ECONNRESET raised", "ECONNRESET raised", "None", "None", "False"]


def test_readall_raises_and_keeps_what_came(node: RunningNode, client: socket.socket) -> None:
    node.expect_trouble(BROKEN)
    port = port_of(client)
    client.sendall(b"readall\nabc")
    reset(client)
    assert record_of(node, port) == ["ECONNRESET raised", "abc", "False"]


def test_read_of_more_bytes_than_came_raises_and_keeps_them(node: RunningNode, client: socket.socket) -> None:
    node.expect_trouble(BROKEN)
    port = port_of(client)
    client.sendall(b"exactly\nabc")
    reset(client)
    assert record_of(node, port) == ["ECONNRESET raised", "abc", "False"]


def test_after_close_it_is_logged_when_bytes_are_lost(node: RunningNode, client: socket.socket) -> None:
    node.expect_trouble(BROKEN)
    port = port_of(client)
    client.sendall(b"close\n")
    assert record_of(node, port) == ["SocketClosed raised", "False"]
    reset(client)
    node.wait_for_line(BROKEN)
