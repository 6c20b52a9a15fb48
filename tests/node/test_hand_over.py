"""Sockets that change hands between workers: scenarios inside of a node, and clients and a murder from outside."""

import ast
import contextlib
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from tests.node.clients import finish, random_pieces, read_to_end
from tests.node.harness import SERVICES, RunningNode, running
from tests.node.scenarios import PASSED

WORKERS = "workers=3"
CLIENTS = 8
MIB = 1 << 20


def names() -> list[str]:
    tree = ast.parse((SERVICES / "hand_over.py").read_text())
    functions = [node.name for node in tree.body if isinstance(node, ast.AsyncFunctionDef)]
    return [name for name in functions if name.startswith("test_")]


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningNode]:
    with running("hand_over", WORKERS) as node:
        yield node


@pytest.mark.parametrize("name", names())
def test_a_scenario_of_a_hand_over_ends_well(node: RunningNode, name: str) -> None:
    if "given_up" in name:
        node.expect_trouble("came when no actor waited for it any more: closed")
    for part, times in {"connection_that_has_ended": 2, "ends_while": 15, "end_by_another": 9}.items():
        if part in name:  # whichever worker has the connection then, there is one line for each reset
            node.expect_trouble(r"socket: error on \d+ Connection reset by peer$", times=times)
    with node.connect() as client:
        client.sendall(name.encode() + b"\n")
        finish(client)
        answer = read_to_end(client)
    assert answer == PASSED, answer.decode()


class Client:
    """Sends bytes in random pieces to a node that passes it around, and collects what comes back."""

    def __init__(self, node: RunningNode, number: int, size: int) -> None:
        self.sent = random.Random(number).randbytes(size)
        self.received = b""
        self.was_reset = False
        self._pieces = list(random_pieces(random.Random(number), self.sent))
        self._socket = node.connect()
        self._threads = [Thread(target=self._send), Thread(target=self._receive)]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        with self._socket:
            for thread in self._threads:
                thread.join()

    def _send(self) -> None:
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            for piece in self._pieces:
                self._socket.sendall(piece)
            finish(self._socket)

    def _receive(self) -> None:
        try:
            while data := self._socket.recv(65536):
                self.received += data
        except ConnectionResetError:
            self.was_reset = True


def tcp_descriptors(node: RunningNode) -> dict[str, int]:
    """Return the number of descriptors of TCP sockets that each process of a node has."""
    inodes = {line.split()[9] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]}
    return {name: sum(inode in inodes for inode in sockets_of(pid)) for name, pid in node.children().items()}


def sockets_of(pid: int) -> Iterator[str]:
    """The inodes of the sockets that a process has."""
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed since
            yield os.readlink(path).removeprefix("socket:[").rstrip("]")


@pytest.fixture
def passing() -> Iterator[RunningNode]:
    """A node that passes its clients around, and has no more descriptors for them when they are gone."""
    with running("hand_over passing", WORKERS, "socket.read_window=4096") as node:
        before = tcp_descriptors(node)
        yield node
        node.eventually(lambda: tcp_descriptors(node) == before, "descriptors leak", lambda: str(tcp_descriptors(node)))


def test_clients_that_are_passed_around_get_every_byte_once_and_in_order(passing: RunningNode) -> None:
    clients = [Client(passing, number, size) for number, size in enumerate([0, 1, 1000, MIB] * CLIENTS)]
    for client in clients:
        client.join()
        assert client.received == client.sent
        assert not client.was_reset
    passing.wait_for_line("taken over 100 times", times=3)


def test_a_murder_in_the_middle_of_it_costs_the_sockets_of_that_worker_and_nothing_else(passing: RunningNode) -> None:
    passing.expect_trouble(r"^\[node\] worker 2 was ended by signal 9 ")
    clients = [Client(passing, number, 4 * MIB) for number in range(2 * CLIENTS)]
    passing.eventually(lambda: all(len(client.received) > MIB for client in clients), "nothing comes back")
    os.kill(passing.child("worker 2"), signal.SIGKILL)
    for client in clients:
        client.join()
        assert client.sent.startswith(client.received)
    assert any(client.received == client.sent for client in clients)
    passing.child("worker 2")
