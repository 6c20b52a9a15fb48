"""Nodes with a talkative service whose log is not read or not written, and the check of the lines that come out."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.node.clients import read_exactly
from tests.node.harness import SECONDS, SERVICES, free_port

TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}"
_POLL_SECONDS = 0.005
MANY = 20_000
"""Lines that fill a pipe and the memory for lines that wait."""


class MutedNode:
    """A node of the service `chatty`, whose standard error the test reads or not."""

    def __init__(self, standard_error: int, *overrides: str) -> None:
        self.port = free_port()
        command = [sys.executable, "-m", "skypy", "run", str(SERVICES / "node.toml")]
        for override in ("start=chatty", f"env.port={self.port}", "stop_timeout=5", *overrides):
            command += ["--set", override]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=standard_error,
            start_new_session=True,
        )

    def ask(self, line: str) -> None:
        """Have the service do something, and wait for its answer."""
        with connect(self.port) as client:
            client.sendall(line.encode() + b"\n")
            assert read_exactly(client, len(line) + 1) == line.encode() + b"\n"

    def eventually(self, condition: Callable[[], bool], problem: str) -> None:
        """Wait for a condition that nothing announces."""
        deadline = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < deadline, problem
            time.sleep(_POLL_SECONDS)

    def stop(self) -> int:
        """Stop it in order, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(SECONDS)


def connect(port: int) -> socket.socket:
    """Connect a client as soon as the service listens."""
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), SECONDS)
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, "no service listens"
            time.sleep(_POLL_SECONDS)


@contextmanager
def muted(standard_error: int, *overrides: str) -> Iterator[MutedNode]:
    """A node that the test stops; nothing of it is left."""
    node = MutedNode(standard_error, *overrides)
    try:
        yield node
        assert node.process.poll() == 0
        assert not living(node.process.pid)
    finally:
        for pid in living(node.process.pid):
            os.kill(pid, signal.SIGKILL)
        node.process.wait(SECONDS)


def living(session: int) -> list[int]:
    """Return the processes that live in a session."""
    found = []
    for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))):
        try:
            state, _, _, its_session = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(its_session) == session and state not in "ZX":
            found.append(pid)
    return found


def fill(writing: int) -> None:
    """Fill a pipe."""
    os.set_blocking(writing, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writing, b"." * 4096)
    os.set_blocking(writing, True)


def sent_or_counted(text: bytes) -> int:
    """Return the number of lines "line N ..." in a log, with those that the log counts as lost; they are in order."""
    expected = 0
    for line in text.split(b"\n"):
        if lost := re.search(rb"\[\S+(?: \d)?\] (\d+) lines? of the log w\w+ lost$", line):
            expected += int(lost[1])
        elif found := re.search(rb"line (\d+) x{80}$", line):
            assert int(found[1]) == expected, f"line {expected} is missing: {line!r}"
            expected += 1
        else:
            assert b"xx" not in line, f"a torn line: {line!r}"
    return expected
