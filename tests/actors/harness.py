"""A node as a process of its own: its log, the pids of its workers, and the scenarios that its actors play."""

from __future__ import annotations

import ast
import json
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
from threading import Condition, Thread
from typing import IO, Any, NoReturn

ROOT = Path(__file__).parents[2]
SERVICES = Path(__file__).parent / "services"
SECONDS = 30.0
"""More seconds than anything here takes on a busy machine: a wait that lasts so long fails and shows the log."""
PLACEMENTS = ("together", "apart")

_TROUBLE = re.compile(
    r"^(\[[^\]]+\] )?(error |Exception |Fatal|socket: )|^Traceback|[Ww]arning|destroyed|was never|left behind"
)
"""The beginning of a log entry that tells of trouble; its other lines, a traceback mostly, are not looked at."""
_POLL_SECONDS = 0.005


class NodeFailed(AssertionError):
    """An expectation of a node does not hold; the text has its log."""


class RunningNode:
    """`skypy run` with a service of these tests as its first."""

    def __init__(self, start: str, *overrides: str) -> None:
        command = [sys.executable, "-m", "skypy", "run", str(SERVICES / "node.toml")]
        for override in (f"start={start}", *overrides):
            command += ["--set", override]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True, cwd=ROOT
        )
        self.lines: list[str] = []
        self._more = Condition()
        assert self._process.stderr is not None
        self._reader = Thread(target=self._collect, args=(self._process.stderr,), daemon=True)
        self._reader.start()

    def _collect(self, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                with self._more:
                    self.lines.append(line.decode("utf-8", "backslashreplace").rstrip("\n"))
                    self._more.notify_all()

    # -- its log --

    def wait_for_line(self, pattern: str, *, after: int = 0) -> re.Match[str]:
        """Return the first line from number `after` on that matches."""
        deadline = time.monotonic() + SECONDS
        seen = after
        with self._more:
            while True:
                for line in self.lines[seen:]:
                    if found := re.search(pattern, line):
                        return found
                seen = len(self.lines)
                left = deadline - time.monotonic()
                if left <= 0 or not self._reader.is_alive():
                    self.fail(f"no line matches {pattern!r}")
                self._more.wait(min(left, 0.1))  # the reader's end is not announced

    def trouble(self, allowed: list[str], *, after: int = 0, before: int | None = None) -> list[str]:
        """Return the lines that tell of trouble and that `allowed` does not match."""
        lines = self.lines[after:before]
        return [line for line in lines if _TROUBLE.search(line) and not any(re.search(one, line) for one in allowed)]

    def fail(self, problem: str, *, after: int = 0) -> NoReturn:
        """Fail the test, and show the log."""
        raise NodeFailed("\n".join((problem, "-- log of the node --", *self.lines[after:][-200:], "-- end --")))

    # -- its processes --

    def worker(self, index: int) -> int:
        """Return the pid of a worker, once it is there."""
        self.eventually(lambda: f"skypy: worker {index}" in self._children(), f"there is no worker {index}")
        return self._children()[f"skypy: worker {index}"]

    def signal_worker(self, index: int, number: signal.Signals) -> None:
        """Send a worker a signal."""
        os.kill(self.worker(index), number)

    def _children(self) -> dict[str, int]:
        return {_title(pid): pid for pid in self._processes()}

    def _processes(self) -> list[int]:
        """Return the pids of all processes that live in the node's session."""
        pids = map(int, filter(str.isdecimal, os.listdir("/proc")))
        return [pid for pid in pids if _session(pid) == self._process.pid]

    def eventually(self, condition: Callable[[], bool], problem: str) -> None:
        """Wait for a condition that the kernel does not announce."""
        deadline = time.monotonic() + SECONDS
        while not condition():
            if time.monotonic() > deadline:
                self.fail(problem)
            time.sleep(_POLL_SECONDS)

    # -- what it is asked --

    def ask(self, *words: str) -> Any:
        """Return the answer of the stage to one line of words."""
        port = int(self.wait_for_line(r" port (\d+)$")[1])
        with socket.create_connection(("127.0.0.1", port), SECONDS) as client:
            client.sendall(" ".join(words).encode() + b"\n")
            client.shutdown(socket.SHUT_WR)
            try:
                answer = b"".join(iter(lambda: client.recv(65536), b""))
            except TimeoutError:
                self.fail(f"no answer to {words}")
        if not answer:
            self.fail(f"an empty answer to {words}")
        return json.loads(answer)

    def play(self, topic: str, name: str, placement: str) -> None:
        """Play a scenario: it passes, logs only the trouble that it has announced, and leaves nothing behind."""
        begin = len(self.lines)
        outcome = self.ask("play", topic, name, placement)
        end = rf"played {topic} {name} {placement}$"
        for process in (1, 2):
            self.wait_for_line(rf"^\[:{process:02x}\w+\] {end}", after=begin)
        allowed: list[str] = outcome["expected"]
        if outcome["error"] or (trouble := self.trouble(allowed, after=begin)):
            self.fail(outcome["error"] or f"lines that nobody expected: {trouble}", after=begin)
        for pattern in allowed:
            if not any(re.search(pattern, line) for line in self.lines[begin:]):
                self.fail(f"no line matches {pattern!r}", after=begin)
        assert outcome["left"] == {}, outcome["left"]

    # -- its end --

    def stop(self) -> int:
        """Ask the node to stop; return its exit code once everything that wrote to its log has ended."""
        self._process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        """Return the exit code of the node, once it has ended by itself."""
        try:
            code = self._process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self.fail("the node does not end")
        self._reader.join(SECONDS)
        return code

    def kill(self) -> None:
        """Kill everything that is left of the node."""
        for pid in self._processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(SECONDS)


@contextmanager
def running(start: str, *overrides: str, allowed: tuple[str, ...] = ()) -> Iterator[RunningNode]:
    """Run a node, and stop it afterwards; `allowed` matches the trouble that its log may tell of."""
    node = RunningNode(start, *overrides)
    try:
        node.wait_for_line(r"^\[node\] .* started (at :[0-9a-f]{8}|and has exited)$")
        yield node
        begin = len(node.lines)
        if (code := node.stop()) != 0:
            node.fail(f"the node ended with exit code {code}")
        if trouble := node.trouble(list(allowed), after=begin if not allowed else 0):
            node.fail(f"lines that nobody expected: {trouble}")
    finally:
        node.kill()


def scenarios(topic: str) -> list[str]:
    """Return the names of the scenarios that a service offers."""
    tree = ast.parse((SERVICES / f"{topic}.py").read_text())
    functions = [node.name for node in tree.body if isinstance(node, ast.AsyncFunctionDef)]
    return [name for name in functions if name.startswith("test_")]


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode()
    except OSError:
        return ""


def _session(pid: int) -> int:
    """Return the session of a process that lives, or 0."""
    try:
        state, _, _, session = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:4]
    except OSError:
        return 0
    return 0 if state in "ZX" else int(session)
