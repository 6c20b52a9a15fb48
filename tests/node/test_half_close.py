"""The echo service and the three scenarios for which skypy exists, with raw sockets, `skypy client` and nc."""

import shutil
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.node.clients import FINAL, finish, read_exactly, read_to_end, reset
from tests.node.harness import ECHO, SECONDS, RunningNode, free_port, running

SHUT_W = b"shut_w1\nshut_w2\nshut_w3\nshut_w4\n"
BROKEN = r"^\[:[0-9a-f]{8}\] socket: error on \d+ Connection reset by peer$"


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def shared(port: int) -> Iterator[RunningNode]:
    with running(ECHO, f"env.port={port}", "workers=1") as node:
        yield node


@contextmanager
def skypy_client(port: int) -> Iterator[subprocess.Popen[bytes]]:
    """`skypy client` at a pipe instead of a keyboard."""
    command = [sys.executable, "-m", "skypy", "client", f"127.0.0.1:{port}"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with process:
        try:
            yield process
        finally:
            process.kill()


def say(process: subprocess.Popen[bytes], text: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(text)
    process.stdin.flush()


def hear(process: subprocess.Popen[bytes], size: int) -> bytes:
    assert process.stdout is not None
    return process.stdout.read(size)


def still_serves(node: RunningNode, port: int) -> None:
    with node.connect(port) as client:
        client.sendall(b"still there?\n")
        assert read_exactly(client, 13) == b"still there?\n"
        finish(client)
        assert read_to_end(client) == FINAL


# -- the writing side shut ---------------------------------------------------------------------------------------------


def test_a_client_that_has_finished_sending_gets_its_echoes_and_ten_final_lines(node: RunningNode, port: int) -> None:
    with node.connect(port) as client:
        client.sendall(SHUT_W)
        finish(client)
        assert read_to_end(client) == SHUT_W + FINAL


def test_a_client_may_finish_without_a_word(node: RunningNode, port: int) -> None:
    with node.connect(port) as client:
        finish(client)
        assert read_to_end(client) == FINAL


def test_bytes_behind_the_last_newline_are_not_echoed_and_harm_nothing(node: RunningNode, port: int) -> None:
    with node.connect(port) as client:
        client.sendall(b"a\nunfinished")
        finish(client)
        assert read_to_end(client) == b"a\n" + FINAL


def test_quit_ends_the_connection_without_final_lines(node: RunningNode, port: int) -> None:
    with node.connect(port) as client:
        client.sendall(b"a\n\nb\nquit\n")
        assert read_to_end(client) == b"a\n\nb\n"


def test_bytes_behind_quit_cost_no_byte_that_came_before(node: RunningNode, port: int) -> None:
    with node.connect(port) as client:
        client.sendall(b"a\nquit\n" + b"never read\n" * 1000)
        assert read_to_end(client) == b"a\n"


def test_skypy_client_prints_four_echoes_and_ten_final_lines_after_shut_w(node: RunningNode, port: int) -> None:
    with skypy_client(port) as client:
        printed, noted = client.communicate(b"shut_w\n", SECONDS)
    assert (printed, noted, client.returncode) == (SHUT_W + FINAL, b"[end of file]\n", 0)


def test_skypy_client_at_the_end_of_its_input_prints_everything_as_well(node: RunningNode, port: int) -> None:
    with skypy_client(port) as client:
        printed, _ = client.communicate(b"a\nb", SECONDS)
    assert (printed, client.returncode) == (b"a\nb\n" + FINAL, 0)


@pytest.mark.skipif(shutil.which("nc") is None, reason="nc is not installed")
def test_nc_that_shuts_its_side_at_the_end_of_input_prints_the_echoes_and_ten_final_lines(
    node: RunningNode, port: int
) -> None:
    command = ["nc", "-N", "127.0.0.1", str(port)]
    done = subprocess.run(command, input=b"a\nb\n", stdout=subprocess.PIPE, timeout=SECONDS, check=True)
    assert done.stdout == b"a\nb\n" + FINAL


# -- the client killed -------------------------------------------------------------------------------------------------


def test_a_killed_client_breaks_nothing(node: RunningNode, port: int) -> None:
    node.allow_trouble(BROKEN)  # the FINAL lines may be answered with a reset before the socket is closed
    with skypy_client(port) as client:
        say(client, b"hello\n")
        assert hear(client, 6) == b"hello\n"
        client.send_signal(signal.SIGKILL)
        client.wait(SECONDS)
    still_serves(node, port)


def test_a_client_that_closes_without_reading_its_echoes_breaks_nothing(node: RunningNode, port: int) -> None:
    node.expect_trouble(BROKEN)  # its kernel says so when it closes with bytes unread
    with node.connect(port) as client:
        client.sendall(b"hello\n")
        client.recv(1, socket.MSG_PEEK)
    still_serves(node, port)


# -- the reading side shut, and resets ---------------------------------------------------------------------------------


def test_echoes_that_are_not_read_are_one_line_in_the_log(node: RunningNode, port: int) -> None:
    node.expect_trouble(BROKEN)
    with node.connect(port) as client:
        client.shutdown(socket.SHUT_RD)  # sends nothing
        client.sendall(b"a\n")
        client.recv(1, socket.MSG_PEEK)
        client.sendall(b"b\n" * 1000)
    still_serves(node, port)


def test_skypy_client_ends_after_shut_r_and_the_server_serves_on(node: RunningNode, port: int) -> None:
    node.allow_trouble(BROKEN)
    with skypy_client(port) as client:
        printed, noted = client.communicate(b"hello\nshut_r\n", SECONDS)
    assert printed in (b"", b"hello\n")  # it does not wait for the echo
    assert (noted, client.returncode) == (b"[end of file]\n", 0)
    still_serves(node, port)


def test_skypy_client_with_echoes_under_way_at_shut_r_is_one_line_in_the_log(node: RunningNode, port: int) -> None:
    node.expect_trouble(BROKEN)
    with skypy_client(port) as client:
        say(client, b"hello\n")
        assert hear(client, 6) == b"hello\n"
        say(client, b"x\n" * 2000 + b"shut_r\n")  # few enough to be read in one piece
        client.communicate(timeout=SECONDS)
        assert client.returncode == 0
    still_serves(node, port)


def test_a_reset_is_one_line_in_the_log(node: RunningNode, port: int) -> None:
    node.expect_trouble(BROKEN)
    with node.connect(port) as client:
        client.sendall(b"hello\n")
        assert read_exactly(client, 6) == b"hello\n"
        reset(client)
    still_serves(node, port)


def test_a_reset_by_a_client_that_never_said_a_word_is_one_line_in_the_log(node: RunningNode, port: int) -> None:
    node.expect_trouble(BROKEN)
    with node.connect(port) as client:
        reset(client)
    still_serves(node, port)


def test_fifty_resets_are_fifty_lines_in_the_log(node: RunningNode, port: int) -> None:
    node.expect_trouble(BROKEN, times=50)
    for number in range(50):
        with node.connect(port) as client:
            client.sendall(b"hello\n" * number)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    still_serves(node, port)
