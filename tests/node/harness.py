"""A node as a process of its own, watched from outside: its log, its processes, its descriptors.

A node is started in a session of its own, which every process that comes from it inherits: so what is left of it is
found whatever it is and whichever process started it.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Condition, Thread
from typing import IO, NoReturn

ROOT = Path(__file__).parents[2]
ECHO = ROOT / "config" / "echo.toml"
SERVICES = Path(__file__).parent / "services"
SECONDS = 20.0
"""More than anything here takes on a busy machine: a test that waits that long fails and shows the log."""

_TROUBLE = re.compile(r"traceback|error|exception|warning|destroyed|was never|left behind", re.IGNORECASE)
_POLL_SECONDS = 0.005


class NodeFailed(AssertionError):
    """Something does not hold for a node; the text has its log."""


class RunningNode:
    """`skypy run CONFIG --set ...`; trouble in its log must have been declared by the test."""

    def __init__(
        self,
        config: Path | str,
        *overrides: str,
        cwd: Path = ROOT,
        before: Callable[[], object] | None = None,
        new_session: bool = True,
    ) -> None:
        """`config`: a file, or the name of a service of these tests. `before` runs in the process ahead of the node.

        `new_session=False`: `before` makes the session.
        """
        if isinstance(config, str):
            config, overrides = SERVICES / "node.toml", (f"start={config}", *overrides)
        command = [sys.executable, "-m", "skypy", "run", str(config)]
        for override in overrides:
            command += ["--set", override]
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # a node writes to its log alone
            stderr=subprocess.PIPE,
            start_new_session=new_session,
            cwd=cwd,
            preexec_fn=before,
            env=environment,
        )
        self.pid = self._process.pid
        self.lines: list[str] = []
        self.ends = False
        """True once the node has been asked to end."""
        self._mark = 0
        """The first line that belongs to the running test."""
        self._expected: list[tuple[re.Pattern[str], int]] = []
        self._late: set[str] = set()
        self._allowed: list[re.Pattern[str]] = []
        self._descriptors: Counter[str] = Counter()
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

    def wait_for_line(self, pattern: str, times: int = 1) -> re.Match[str]:
        """The last of the first `times` lines of the running test that match."""
        deadline = time.monotonic() + SECONDS
        with self._more:
            while len(found := self._matches(pattern)) < times:
                left = deadline - time.monotonic()
                if left <= 0 or (not self._reader.is_alive() and not self._matches(pattern)):
                    self.fail(f"no line matches {pattern!r}" + f" {times} times" * (times > 1))
                self._more.wait(min(left, 0.1))  # the reader's end is not announced
        return found[times - 1]

    def expect_trouble(self, pattern: str, times: int = 1) -> None:
        """Declare that the running test causes exactly `times` lines that match."""
        self._expected.append((re.compile(pattern), times))

    def allow_trouble(self, pattern: str) -> None:
        """The running test may cause lines that match; the order of events decides."""
        self._allowed.append(re.compile(pattern))

    def has_line(self, pattern: str) -> bool:
        """Return True if the running test has seen a line that matches."""
        return bool(self._matches(pattern))

    def text(self) -> str:
        """The lines of the running test."""
        return "\n".join(self.lines[self._mark :])

    def fail(self, problem: str) -> NoReturn:
        """Fail the test, and show the log."""
        raise NodeFailed(f"{problem}\n{self.log()}")

    def log(self) -> str:
        """Return all lines of the node."""
        return "\n".join(("-- log of the node --", *self.lines, "-- end of the log --"))

    def _matches(self, pattern: str) -> list[re.Match[str]]:
        return [found for line in self.lines[self._mark :] if (found := re.search(pattern, line))]

    # -- its processes --

    def processes(self) -> list[int]:
        """The pids of everything that lives in its session, the node itself included."""
        return [pid for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))) if _session(pid) == self.pid]

    def children(self) -> dict[str, int]:
        """The pids of its children, by what `ps` calls them."""
        return {title(pid): pid for pid in self.processes() if pid != self.pid}

    def child(self, name: str) -> int:
        """The pid of a child, as soon as `ps` calls it "skypy: NAME"."""
        self.eventually(lambda: f"skypy: {name}" in self.children(), f"there is no process {name!r}")
        return self.children()[f"skypy: {name}"]

    def descriptors(self) -> Counter[str]:
        """Return the number of descriptors of each process with sockets and lanes: a leak shows as more than before.

        The shared memory of each worker is left out: that of the last may come after the start service has started.
        """
        pids = {"node": self.pid, "service": self.child("socket service"), "worker 1": self.child("worker 1")}
        return Counter({name: sum("memfd:" not in link for link in _links(pid)) for name, pid in pids.items()})

    def running(self) -> bool:
        """Return True if the node's own process is alive."""
        return self._process.poll() is None

    # -- what it serves --

    @property
    def port(self) -> int:
        """The port that its service has said in its last line "port N"; the line may come a moment after "started"."""
        with self._more:
            while not (said := [line for line in self.lines if " port " in line]):
                if not self._more.wait(SECONDS):
                    self.fail("no line tells a port")
        return int(said[-1].rpartition(" ")[2])

    def connect(self, port: int | None = None) -> socket.socket:
        """A client."""
        return socket.create_connection(("127.0.0.1", self.port if port is None else port), SECONDS)

    # -- its end --

    def signal(self, number: signal.Signals) -> None:
        """Send the node a signal that ends it."""
        self.ends = True
        self._process.send_signal(number)

    def wait(self) -> int:
        """Its exit code, once it and everything that wrote to its log have ended."""
        try:
            code = self._process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self.fail("the node does not end")
        self._reader.join(SECONDS)
        if self._reader.is_alive():
            self.fail("the node has ended, but a process still holds its log")
        return code

    def kill(self) -> None:
        """Make an end of everything, in a test that has failed."""
        for pid in self.processes():
            _kill(pid)
        self._process.wait(SECONDS)

    # -- what holds after every test --

    def has_started(self) -> None:
        """From here on nothing may be held that is not held now."""
        self._descriptors = self.descriptors()

    def begin_test(self) -> None:
        """Begin the next test: lines of the log from here on belong to it."""
        self._mark = len(self.lines)
        # A line that the test before allowed may be late: it was on its way through the log when that test ended.
        self._late = {allowed.pattern for allowed in self._allowed}
        self._expected.clear()
        self._allowed.clear()

    def check(self) -> None:
        """The trouble that was declared and no other; no descriptor left over; the node still there, or all gone."""
        for pattern, times in self._expected:
            self.eventually(lambda: len(self._matches(pattern.pattern)) >= times, f"no line matches {pattern.pattern}")  # noqa: B023
        if self.running():
            self.eventually(lambda: self.descriptors() <= self._descriptors, "descriptors leak", self._leak)
        else:
            self.eventually(lambda: not self.processes(), "processes are left of the node", self._left)
        self._check_log()

    def _check_log(self) -> None:
        counts = Counter[str]()
        for line in self.lines[self._mark :]:
            reasons = [pattern.pattern for pattern, _ in self._expected if pattern.search(line)]
            counts.update(reasons)
            allowed = [pattern.pattern for pattern in self._allowed] + list(self._late)
            if _TROUBLE.search(line) and not reasons and not any(re.search(pattern, line) for pattern in allowed):
                self.fail(f"a line that the test did not expect: {line}")
        for pattern, times in self._expected:
            late = counts[pattern.pattern] > times and pattern.pattern in self._late
            if counts[pattern.pattern] != times and not late:
                self.fail(f"{counts[pattern.pattern]} lines match {pattern.pattern!r}, not {times}")

    def eventually(self, condition: Callable[[], bool], problem: str, state: Callable[[], str] = str) -> None:
        """Wait for a condition that the kernel does not announce."""
        deadline = time.monotonic() + SECONDS
        while not condition():
            if time.monotonic() > deadline:
                self.fail(f"{problem} {state()}".rstrip())
            time.sleep(_POLL_SECONDS)

    def _leak(self) -> str:
        return f"(before: {dict(self._descriptors)}, now: {dict(self.descriptors())})"

    def _left(self) -> str:
        return ", ".join(f"{pid} {title(pid)}" for pid in self.processes())


def _links(pid: int) -> Iterator[str]:
    for descriptor in os.listdir(f"/proc/{pid}/fd"):
        try:
            yield os.readlink(f"/proc/{pid}/fd/{descriptor}")
        except OSError:
            yield "closed meanwhile"


@contextmanager
def running(
    config: Path | str,
    *overrides: str,
    exit_code: int = 0,
    cwd: Path = ROOT,
    before: Callable[[], object] | None = None,
    new_session: bool = True,
) -> Iterator[RunningNode]:
    """A node that has started. It is stopped afterwards, unless the test has seen to its end."""
    with ending(config, *overrides, exit_code=exit_code, cwd=cwd, before=before, new_session=new_session) as node:
        node.wait_for_line(r"^\[node\] .* started (at :[0-9a-f]{8}|and has exited)$")
        node.has_started()
        yield node
        if not node.ends and exit_code == 0:
            node.check()
            node.signal(signal.SIGTERM)


@contextmanager
def ending(
    config: Path | str,
    *overrides: str,
    exit_code: int,
    cwd: Path = ROOT,
    before: Callable[[], object] | None = None,
    new_session: bool = True,
) -> Iterator[RunningNode]:
    """A node that ends by itself, and need not come to start at all."""
    node = RunningNode(config, *overrides, cwd=cwd, before=before, new_session=new_session)
    try:
        yield node
        if (code := node.wait()) != exit_code:
            node.fail(f"the node ended with exit code {code}, not {exit_code}")
        node.check()
    except BaseException as error:
        if not isinstance(error, NodeFailed):
            print(node.log())
        raise
    finally:
        node.kill()


def title(pid: int) -> str:
    """Return the title of a process that `ps` shows."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode()
    except OSError:
        return ""


def free_port() -> int:
    """Return a port on which no process listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _session(pid: int) -> int:
    """The session of a process that lives; 0 when it does not."""
    try:
        state, _, _, session = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:4]
    except OSError:
        return 0
    return 0 if state in "ZX" else int(session)


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
