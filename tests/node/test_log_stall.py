"""A log whose reader does not read: the node serves on, counts the lines that it drops, and ends."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import IO

import pytest

from tests.node.clients import read_exactly
from tests.node.harness import SECONDS, SERVICES, free_port, running
from tests.node.muted import MANY, TIME, connect, fill, living, muted, sent_or_counted


@pytest.fixture
def pipe() -> Iterator[tuple[IO[bytes], int]]:
    """A pipe that nobody else reads: the end for reading, and the descriptor for writing."""
    reading, writing = os.pipe()
    with open(reading, "rb") as reader, closing(open(writing, "wb")):
        yield reader, writing


# -- a reader that does not read ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["log", "print"])
def test_a_pipe_that_nobody_reads_stops_neither_the_services_nor_the_end(pipe: tuple[IO[bytes], int], way: str) -> None:
    _, writing = pipe
    with muted(writing) as node:
        node.ask(f"{way} {MANY}")
        node.ask(f"{way} {MANY}")
        node.ask("hello")
        assert node.stop() == 0
    assert not fcntl.fcntl(writing, fcntl.F_GETFL) & os.O_NONBLOCK  # other programs have it as well


@pytest.mark.parametrize("way", ["log", "print"])
def test_a_reader_that_comes_back_is_told_how_many_lines_are_lost(pipe: tuple[IO[bytes], int], way: str) -> None:
    reader, writing = pipe
    with muted(writing) as node:
        node.ask(f"{way} {MANY}")
        lines = [reader.readline()]
        while b"of the log were lost" not in lines[-1]:
            lines.append(reader.readline())
        assert sent_or_counted(b"".join(lines)) == MANY
        node.ask(f"{way} 1")
        while b"line 0 " not in (line := reader.readline()):
            pass
        assert line.endswith(b"line 0 " + b"x" * 80 + b"\n")
        assert node.stop() == 0


def test_a_slow_reader_gets_each_line_whole_or_counted(pipe: tuple[IO[bytes], int]) -> None:
    reader, writing = pipe
    with muted(writing) as node:
        node.ask(f"log {MANY}")
        text = b""
        while not text.endswith(b"of the log were lost\n"):
            text += os.read(reader.fileno(), 1000)
        assert sent_or_counted(text) == MANY
        assert node.stop() == 0


def test_a_reader_that_has_gone_stops_nothing() -> None:
    reading, writing = os.pipe()
    with muted(writing) as node:
        os.close(writing)
        node.ask("log 1")
        os.close(reading)
        node.ask(f"log {MANY}")
        assert node.stop() == 0


def test_no_line_is_torn_or_lost_when_another_program_makes_the_pipe_non_blocking(pipe: tuple[IO[bytes], int]) -> None:
    reader, writing = pipe
    os.set_blocking(writing, False)
    with muted(writing) as node:
        node.ask("log 5000")
        lines = [reader.readline()]
        while b"line 4999 " not in lines[-1]:
            lines.append(reader.readline())
        assert sum(b"] line " in line for line in lines) == sent_or_counted(b"".join(lines)) == 5000
        assert node.stop() == 0


@pytest.mark.parametrize("goes_on", [False, True], ids=["for good", "for a while"])
def test_a_terminal_that_is_stopped_as_by_control_s_stops_nothing(goes_on: bool) -> None:
    terminal, standard_error = os.openpty()
    with open(terminal, "rb", 0) as reader, closing(open(standard_error, "wb", 0)):
        termios.tcflow(standard_error, termios.TCOOFF)
        with muted(standard_error) as node:
            node.ask(f"log {MANY}")
            node.ask("hello")
            if goes_on:
                termios.tcflow(standard_error, termios.TCOON)
                text = b""
                while b"of the log were lost" not in text:
                    text += reader.read(65536)
                assert sent_or_counted(text.replace(b"\r", b"")) == MANY
            assert node.stop() == 0


def test_a_stuck_standard_error_does_not_hold_up_a_log_in_a_file(pipe: tuple[IO[bytes], int], tmp_path: Path) -> None:
    _, writing = pipe
    fill(writing)
    log = tmp_path / "node.log"
    with muted(writing, f"logger={log}") as node:
        node.ask("log 10")
        assert node.stop() == 0
    assert sent_or_counted(log.read_bytes()) == 10


# -- a node that does not read its children ----------------------------------------------------------------------------


def test_a_worker_does_not_wait_for_a_node_that_is_stopped() -> None:
    with running("chatty", f"env.port={(port := free_port())}") as node:
        os.kill(node.pid, signal.SIGSTOP)
        with connect(port) as client:
            client.sendall(b"log %d\n" % MANY)
            assert read_exactly(client, 10) == b"log %d\n" % MANY
        os.kill(node.pid, signal.SIGCONT)
        node.wait_for_line(r"^\[worker 1\] \d+ lines of the log were lost$")
        assert sent_or_counted(node.text().encode()) == MANY


# -- the node's own ----------------------------------------------------------------------------------------------------


BROKEN = """
import sys
from skypy.core.settings import Settings
from skypy.node.node import NodeProcess, run

class Broken(NodeProcess):
    async def run(self):
        print("warning: this is Python", file=sys.stderr)
        raise LookupError("broken")

sys.exit(run(Settings(config_file="x", start="x", logger=sys.argv[1]), Broken))
"""


def run_broken(logger: str, standard_error: int) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", BROKEN, logger], stderr=standard_error, check=False, timeout=SECONDS, cwd=SERVICES
    )


def test_a_node_that_fails_says_why_in_its_log_and_on_standard_error(tmp_path: Path) -> None:
    done = run_broken(str(tmp_path / "log"), subprocess.PIPE)
    assert done.returncode == 1
    assert b"LookupError: broken" in done.stderr
    text = (tmp_path / "log").read_text()
    assert re.search(rf"^{TIME} \[node\] LookupError: broken$", text, re.MULTILINE)
    assert re.search(rf"^{TIME} \[node\] warning: this is Python$", text, re.MULTILINE)


def test_a_node_that_fails_ends_though_nobody_reads_why(pipe: tuple[IO[bytes], int]) -> None:
    _, writing = pipe
    fill(writing)
    assert run_broken("-", writing).returncode == 1


def test_no_line_gets_into_another_file_when_the_node_is_started_without_standard_descriptors() -> None:
    port = free_port()
    command = f"exec {sys.executable} -m skypy run node.toml --set start=chatty --set env.port={port} <&- >&- 2>&-"
    with subprocess.Popen(["sh", "-c", command], cwd=SERVICES, start_new_session=True) as process:
        try:
            with connect(port) as client:
                client.sendall(b"log 1\n")
                assert read_exactly(client, 6) == b"log 1\n"
            assert [os.readlink(f"/proc/{process.pid}/fd/{number}") for number in range(3)] == ["/dev/null"] * 3
            process.send_signal(signal.SIGTERM)
            assert process.wait(SECONDS) == 0
        finally:
            for pid in living(process.pid):
                os.kill(pid, signal.SIGKILL)
