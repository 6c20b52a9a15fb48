"""The proxy that is shipped: every end passes through it as it was, and every byte."""

from __future__ import annotations

import hashlib
import os
import select
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
import trio
import trio.testing

from tests.conformance.subject import MIB, digest_to_end, take
from tests.node.clients import finish, reset
from tests.node.harness import ROOT, SECONDS, RunningNode, free_port, running


@pytest.fixture(scope="module")
def target() -> Iterator[socket.socket]:
    """The server to which the proxy connects its clients."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(SECONDS)
        yield server


@pytest.fixture(scope="module")
def proxy(target: socket.socket) -> Iterator[tuple[RunningNode, int]]:
    """The node, and the port of the proxy."""
    port = target.getsockname()[1]
    with running(ROOT / "config" / "proxy.toml", "env.port=0", f"env.target_port={port}") as node:
        node.allow_trouble(r"socket: error on \d+ (Connection reset by peer|Broken pipe)$")
        yield node, int(node.wait_for_line(r"proxy on 127\.0\.0\.1:(\d+) for")[1])


@pytest.fixture
def node_without_target() -> Iterator[tuple[RunningNode, int]]:
    """A node with a proxy that finds no target."""
    with running(ROOT / "config" / "proxy.toml", "env.port=0", f"env.target_port={free_port()}") as node:
        yield node, int(node.wait_for_line(r"proxy on 127\.0\.0\.1:(\d+) for")[1])


def test_trios_kit_for_half_closeable_streams(target: socket.socket, proxy: tuple[RunningNode, int]) -> None:
    async def ends(listener: trio.socket.SocketType) -> tuple[trio.SocketStream, trio.SocketStream]:
        here = await trio.open_tcp_stream("127.0.0.1", proxy[1])
        there, _ = await listener.accept()
        return here, trio.SocketStream(there)

    async def check() -> None:
        listener = trio.socket.from_stdlib_socket(target.dup())
        with listener, trio.fail_after(SECONDS):
            # No clogged streams: how much two kernels and a proxy hold is not ours to say.
            await trio.testing.check_half_closeable_stream(lambda: ends(listener), None)

    trio.run(check)
    target.settimeout(SECONDS)


def test_long_streams_in_both_directions_at_once(target: socket.socket, proxy: tuple[RunningNode, int]) -> None:
    up, down = os.urandom(32 * MIB), os.urandom(32 * MIB)
    with socket.create_connection(("127.0.0.1", proxy[1]), SECONDS) as client, target.accept()[0] as server:

        def send(socket_: socket.socket, data: bytes) -> None:
            socket_.sendall(data)
            finish(socket_)

        senders = [Thread(target=send, args=(client, up)), Thread(target=send, args=(server, down))]
        came: list[tuple[int, str]] = []
        receiver = Thread(target=lambda: came.append(digest_to_end(server)))
        for thread in (*senders, receiver):
            thread.start()
        assert digest_to_end(client) == (len(down), hashlib.sha256(down).hexdigest())
        for thread in (*senders, receiver):
            thread.join()
        assert came == [(len(up), hashlib.sha256(up).hexdigest())]


@pytest.mark.parametrize("who", ["the client", "the server"])
@pytest.mark.parametrize("when", ["at once", "behind bytes", "behind its end"])
def test_a_reset_goes_through_as_a_reset(
    target: socket.socket, proxy: tuple[RunningNode, int], who: str, when: str
) -> None:
    """Also from a side that had finished sending."""
    with socket.create_connection(("127.0.0.1", proxy[1]), SECONDS) as client, target.accept()[0] as server:
        server.settimeout(SECONDS)
        breaks, other = (client, server) if who == "the client" else (server, client)
        if when != "at once":
            breaks.sendall(b"before")
            assert take(other, 6) == b"before"
        if when == "behind its end":
            finish(breaks)
            assert other.recv(1) == b""
        reset(breaks)
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            wait_for_reset(other)


def wait_for_reset(socket_: socket.socket) -> None:
    """Wait until a socket has met an error, and raise it: ECONNRESET, or EPIPE, as Linux calls a reset behind a FIN."""
    poll = select.poll()
    poll.register(socket_, select.POLLERR)
    assert poll.poll(SECONDS * 1000), "the end has met nothing"
    error = socket_.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    raise OSError(error, os.strerror(error))


def test_a_client_is_reset_when_the_target_is_not_there(node_without_target: tuple[RunningNode, int]) -> None:
    node, port = node_without_target
    with pytest.raises(ConnectionResetError), socket.create_connection(("127.0.0.1", port), SECONDS) as client:
        client.recv(1)  # if the reset has not met connect already
    node.wait_for_line(r"turned 127\.0\.0\.1:\d+ away: .*Connection refused")


def send_and_read(server: socket.socket, answer: bytes, process: subprocess.Popen[bytes]) -> bytes:
    """Answer a tool, and read what it prints meanwhile: it takes no more than its pipe does."""

    def send() -> None:
        server.sendall(answer)
        finish(server)

    sender = Thread(target=send)
    sender.start()
    assert process.stdout is not None
    printed = process.stdout.read()
    sender.join()
    return printed


@pytest.mark.parametrize("tool", ["nc", "socat"])
def test_a_tool_that_half_closes_gets_its_answer(
    target: socket.socket, proxy: tuple[RunningNode, int], tool: str, tmp_path: Path
) -> None:
    """The answer is made when the tool has finished sending: the checksum of what it sent, and 8 MiB."""
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    question, answer = os.urandom(8 * MIB), os.urandom(8 * MIB)
    file = tmp_path / "question"
    file.write_bytes(question)
    place = {
        "nc": ["nc", "-N", "127.0.0.1", str(proxy[1])],
        "socat": ["socat", "-t", "20", "-", f"TCP:127.0.0.1:{proxy[1]}"],
    }[tool]
    with (
        file.open("rb") as source,
        subprocess.Popen(place, stdin=source, stdout=subprocess.PIPE) as process,
        target.accept()[0] as server,
    ):
        _, seen = digest_to_end(server)
        assert send_and_read(server, seen.encode() + answer, process) == seen.encode() + answer
    assert seen == hashlib.sha256(question).hexdigest()


def test_curl_gets_a_page(target: socket.socket, proxy: tuple[RunningNode, int]) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    page = os.urandom(4 * MIB)
    command = ["curl", "-sS", f"http://127.0.0.1:{proxy[1]}/"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process, target.accept()[0] as server:
        request = server.recv(65536)
        head = b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(page)
        assert send_and_read(server, head + page, process) == page
    assert request.startswith(b"GET / HTTP/1.1\r\n")
