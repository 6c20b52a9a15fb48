"""Lines of 1 MiB, and 64 MiB to a slow reader: nothing is lost at a close."""

import hashlib
import random
import socket
from collections.abc import Iterator
from threading import Thread

import pytest

from tests.node.clients import ends_alone, finish, random_line, random_pieces, read_to_end
from tests.node.harness import SECONDS, RunningNode, running

MIB = 1 << 20
LARGE, LESS_LARGE = 64 * MIB, 16 * MIB


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningNode]:
    with running("long_lines") as node:
        yield node


def digest(size: int) -> str:
    """Of what the service sends."""
    return hashlib.sha256(random.Random(0).randbytes(size)).hexdigest()


def slow_client(node: RunningNode) -> socket.socket:
    """A client with a small window."""
    client = socket.socket()
    client.settimeout(SECONDS)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
    client.connect(("127.0.0.1", node.port))
    return client


def digest_to_end(client: socket.socket) -> tuple[int, str]:
    total, seen = 0, hashlib.sha256()
    while data := client.recv(65536):
        seen.update(data)
        total += len(data)
    return total, seen.hexdigest()


def test_lines_of_up_to_one_mebibyte_are_echoed_where_the_reader_allows_them(node: RunningNode) -> None:
    source = random.Random(1)
    text = b"".join(random_line(source, MIB) for _ in range(20)) + (b"x" * MIB + b"\n") * 8
    with node.connect() as client:

        def send() -> None:
            for piece in random_pieces(source, text):
                client.sendall(piece)
            finish(client)

        sender = Thread(target=send)
        sender.start()
        assert read_to_end(client) == text
        sender.join()


def test_a_client_with_a_longer_line_ends_alone(node: RunningNode) -> None:
    node.allow_trouble("socket: error on")
    ends_alone(node, node.port, MIB + 1)


def test_output_written_before_a_close_arrives_then_the_end_of_file(node: RunningNode) -> None:
    with slow_client(node) as client:
        client.sendall(b"send %d\n" % LARGE)
        assert digest_to_end(client) == (LARGE, digest(LARGE))


def test_bytes_that_the_service_never_read_cost_nothing_of_it(node: RunningNode) -> None:
    with slow_client(node) as client:
        client.sendall(b"send %d\n" % LESS_LARGE + b"never read\n" * 100_000)
        assert digest_to_end(client) == (LESS_LARGE, digest(LESS_LARGE))


def test_bytes_that_come_after_the_close_cost_nothing_of_it(node: RunningNode) -> None:
    with slow_client(node) as client:
        client.sendall(b"send %d\n" % LESS_LARGE)
        start = client.recv(1000, socket.MSG_WAITALL)  # the service has closed it by now
        client.sendall(b"never read\n" * 100_000)
        finish(client)
        rest = read_to_end(client)
    assert hashlib.sha256(start + rest).hexdigest() == digest(LESS_LARGE)
