"""`skypy client` as a process of its own against real sockets on this machine."""

import os
import pty
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import IO

import pytest
from click.testing import CliRunner

from skypy.cli.client import parse_address
from skypy.cli.failure import BadInput
from skypy.cli.main import main

SECONDS = 10


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(SECONDS)
        yield server


@contextmanager
def client(
    listener: socket.socket, stdin: int | IO[bytes] = subprocess.PIPE, stdout: int | IO[bytes] = subprocess.PIPE
) -> Iterator[tuple[subprocess.Popen[bytes], socket.socket]]:
    """The client process and the server's end of its connection."""
    address = f"127.0.0.1:{listener.getsockname()[1]}"
    command = [sys.executable, "-m", "skypy", "client", address]
    with subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE) as process:
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(SECONDS)
            yield process, connection


def type_in(process: subprocess.Popen[bytes], text: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(text)
    process.stdin.flush()


def read_exactly(connection: socket.socket, size: int) -> bytes:
    return connection.recv(size, socket.MSG_WAITALL)


def read_to_end(connection: socket.socket) -> bytes:
    with connection.makefile("rb") as file:
        return file.read()


def echo_then_final(connection: socket.socket) -> None:
    """Serve a client that does not send `quit` as the echo service does."""
    while data := connection.recv(65536):
        connection.sendall(data)
    connection.sendall(b"FINAL\n" * 10)
    connection.shutdown(socket.SHUT_WR)


def send_until_broken(connection: socket.socket) -> None:
    try:
        while True:
            connection.sendall(b"x" * 65536)
    except ConnectionError:
        return


# -- what is typed -----------------------------------------------------------------------------------------------------


def test_a_line_is_sent_at_once_and_the_answer_is_printed_at_once(listener: socket.socket) -> None:
    with client(listener) as (process, connection):
        assert process.stdout is not None
        for line in (b"hello\n", b"\n", b"quit\n", b"\xff\x00\n"):
            type_in(process, line)
            assert read_exactly(connection, len(line)) == line
            connection.sendall(b"<" + line)
            assert process.stdout.read(len(line) + 1) == b"<" + line
        connection.shutdown(socket.SHUT_WR)
        assert process.wait(SECONDS) == 0
        assert process.communicate() == (b"", b"[end of file]\n")


def test_shut_w_sends_four_lines_and_goes_on_reading(listener: socket.socket) -> None:
    with client(listener) as (process, connection):
        type_in(process, b"shut_w\n")  # standard input stays open
        echo_then_final(connection)
        assert process.wait(SECONDS) == 0
        printed, _ = process.communicate()
        assert printed == b"shut_w1\nshut_w2\nshut_w3\nshut_w4\n" + b"FINAL\n" * 10


def test_a_line_after_shut_w_is_not_sent_and_says_so(listener: socket.socket) -> None:
    with client(listener) as (process, connection):
        type_in(process, b"shut_w\nmore\n")
        assert read_to_end(connection).endswith(b"shut_w4\n")
        connection.shutdown(socket.SHUT_WR)
        assert process.communicate(timeout=SECONDS)[1] == b"[not sent: the writing side is shut]\n[end of file]\n"


def test_shut_r_ends_the_client_and_its_kernel_answers_later_echoes_with_a_reset(listener: socket.socket) -> None:
    with client(listener) as (process, connection):
        type_in(process, b"hello\nshut_r\n")
        assert process.wait(SECONDS) == 0
        assert read_to_end(connection) == b"hello\n"
        send_until_broken(connection)


def test_shut_r_ends_the_client_while_the_server_is_still_sending(listener: socket.socket) -> None:
    with client(listener, stdout=subprocess.DEVNULL) as (process, connection):
        sender = Thread(target=send_until_broken, args=(connection,))
        sender.start()
        type_in(process, b"shut_r\n")
        assert process.wait(SECONDS) == 0
        sender.join(SECONDS)
        assert not sender.is_alive()


# -- where it comes from -----------------------------------------------------------------------------------------------


def test_the_end_of_the_input_shuts_the_writing_side_and_the_rest_is_printed(listener: socket.socket) -> None:
    with client(listener) as (process, connection):
        assert process.stdin is not None
        process.stdin.close()
        assert read_to_end(connection) == b""
        connection.sendall(b"still here\n")
        connection.shutdown(socket.SHUT_WR)
        assert process.stdout is not None
        assert process.stdout.read() == b"still here\n"
        assert process.wait(SECONDS) == 0


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        (b"", b""),
        (b"one\ntwo", b"one\ntwo\n"),
        (b"no command is as long as this", b"no command is as long as this\n"),
        (b"shut_w", b"shut_w1\nshut_w2\nshut_w3\nshut_w4\n"),
        (b"shut_r", b""),
        (b" shut_w\nshut_wx\n", b" shut_w\nshut_wx\n"),
    ],
)
def test_a_file_is_sent_line_by_line_even_when_the_last_one_is_not_finished(
    listener: socket.socket, tmp_path: Path, text: bytes, sent: bytes
) -> None:
    file = tmp_path / "input"
    file.write_bytes(text)
    with file.open("rb") as stdin, client(listener, stdin) as (_, connection):
        assert read_to_end(connection) == sent


def test_a_command_may_arrive_in_pieces(listener: socket.socket) -> None:
    with client(listener) as (process, connection):
        type_in(process, b"a long line\nshu")
        assert read_exactly(connection, 12) == b"a long line\n"
        type_in(process, b"t_w\n")
        assert read_to_end(connection) == b"shut_w1\nshut_w2\nshut_w3\nshut_w4\n"


def test_the_end_of_a_long_line_is_no_command(listener: socket.socket) -> None:
    with client(listener) as (process, connection):
        type_in(process, b"a long line ")
        assert read_exactly(connection, 12) == b"a long line "
        type_in(process, b"\nshut_r")
        assert read_exactly(connection, 1) == b"\n"
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(SECONDS) == 0


@pytest.mark.parametrize("line", [b"x" * 31 + b"\n", b"x" * 10_000_000 + b"\n"], ids=["short lines", "one long line"])
def test_nothing_is_lost_and_nothing_stalls_when_both_sides_send_a_lot(
    listener: socket.socket, tmp_path: Path, line: bytes
) -> None:
    text = line * (10_000_000 // len(line) + 1)
    source, target = tmp_path / "input", tmp_path / "output"
    source.write_bytes(text)
    with source.open("rb") as stdin, target.open("wb") as stdout, client(listener, stdin, stdout) as (process, server):
        echo_then_final(server)
        assert process.wait(SECONDS) == 0
    assert target.read_bytes() == text + b"FINAL\n" * 10


def test_a_terminal_is_greeted(listener: socket.socket) -> None:
    terminal, stdin = pty.openpty()
    try:
        with client(listener, stdin) as (process, connection):
            os.write(terminal, b"hello\n")
            assert read_exactly(connection, 6) == b"hello\n"
            os.write(terminal, b"\x04")  # Ctrl-D
            assert read_to_end(connection) == b""
            connection.shutdown(socket.SHUT_WR)
            greeting, note = process.communicate(timeout=SECONDS)[1].splitlines()
            assert b"quit, shut_r, shut_w" in greeting
            assert note == b"[end of file]"
    finally:
        os.close(terminal)
        os.close(stdin)


# -- how it ends when it goes wrong ------------------------------------------------------------------------------------


def test_a_reset_is_one_line_and_exit_code_1(listener: socket.socket) -> None:
    with client(listener) as (process, connection):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
        assert process.wait(SECONDS) == 1
        port = listener.getsockname()[1]
        assert process.communicate()[1] == b"skypy: 127.0.0.1:%d: Connection reset by peer\n" % port


def test_output_that_cannot_be_written_is_one_line_and_exit_code_1(listener: socket.socket) -> None:
    with open("/dev/full", "wb") as full, client(listener, stdout=full) as (process, connection):
        connection.sendall(b"hello\n")
        assert process.wait(SECONDS) == 1
        assert process.communicate()[1] == b"skypy: standard output: No space left on device\n"


def test_ctrl_c_ends_it_at_once_with_exit_code_130(listener: socket.socket) -> None:
    with client(listener) as (process, connection):
        connection.sendall(b"x")
        assert process.stdout is not None
        assert process.stdout.read(1) == b"x"
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 130
        assert process.communicate()[1] == b""


def test_a_port_without_a_listener_is_one_line_and_exit_code_1(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    listener.close()
    result = CliRunner().invoke(main, ["client", f"127.0.0.1:{port}"])
    assert result.exit_code == 1
    assert result.stderr == f"skypy: cannot connect to 127.0.0.1:{port}: Connection refused\n"


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".invalid"])
def test_a_host_that_cannot_be_looked_up_is_one_line_and_exit_code_1(host: str) -> None:
    result = CliRunner().invoke(main, ["client", f"{host}:80"])
    assert result.exit_code == 1
    assert result.stderr.startswith(f"skypy: cannot connect to {host}:80: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [("127.0.0.1:8888", "127.0.0.1", 8888), ("localhost:1", "localhost", 1), ("[::1]:65535", "::1", 65535)],
)
def test_an_address_is_host_and_port(address: str, host: str, port: int) -> None:
    assert parse_address(address) == (host, port)


@pytest.mark.parametrize(
    "address", ["", "host", ":80", "host:", "host:0", "host:65536", "host:-1", "host:1x", "::1:80", "[::1]", "[]:80"]
)
def test_an_argument_that_is_not_host_and_port_is_one_line_and_exit_code_2(address: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_address(address)
    assert (caught.value.exit_code, caught.value.message) == (
        2,
        f'"{address}" is not HOST:PORT, like 127.0.0.1:8888 or [::1]:8888',
    )
