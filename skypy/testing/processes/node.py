"""A node of real processes, with the verbs of a system in memory: it proves that memory stands for the real thing."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

from skypy.core.settings import Settings
from skypy.testing.client import Client
from skypy.testing.journal import CLIENT_HAS_GONE
from skypy.testing.node_process import NotStarted
from skypy.testing.node_under_test import NodeUnderTest
from skypy.testing.processes.hand import Hand
from skypy.testing.processes.log import RealLog

_SECONDS: Final = 30.0
"""A limit beyond anything that takes place here, on a busy machine as well."""
_NOTICE_SECONDS: Final = 5.0
"""The time for services to close connections after the end of the peer."""
_POLL_SECONDS: Final = 0.005
_STARTED: Final = r"^\[node\] .* started (at :[0-9a-f]{8}|and has exited)$"


class Node(NodeUnderTest):
    """The processes of `skypy run` in a session of their own, and one more, in which the test has its hand."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        """Make a node that `begin` starts; its settings are written to a file in `folder`."""
        super().__init__(settings)
        self._file = folder / "settings.json"
        self._file.write_text(json.dumps(settings.to_plain()))
        self._runner = asyncio.Runner()
        self._hand: Hand | None = None
        self.log: RealLog
        self.lines_checked = 0
        """The count of lines that `log_problems` has looked at."""
        self._clients_closed_at = 0
        """The count of lines before the clients were closed."""

    # -- life --

    def begin(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "skypy.testing.processes.node_program", str(self._file)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._process.stderr is not None
        self.log = RealLog(self._process.stderr)
        port = int(self._wait_for_line(r"^\[:ffff\w+\] skypy_hand on port (\d+)$")[1])
        self._hand = Hand(port, _SECONDS)
        if self.settings.start:
            self._wait_for_line(_STARTED)

    def _wait_for_line(self, pattern: str) -> re.Match[str]:
        found = self.log.wait_for(pattern, _SECONDS)
        if found is None:
            raise NotStarted(self.lines)
        return found

    def run_test(self, function: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        return self._runner.run(function())

    def how_to_repeat(self) -> list[str]:
        return []  # real processes run in any order

    @property
    def lines(self) -> list[str]:
        return self.log.lines

    # -- its end --

    def _end(self) -> list[str]:
        problems: list[str] = []
        try:
            self._signal_all(signal.SIGCONT)
            problems += self.end_clients()
            if self._hand is not None:
                self._hand.close()
            self._process.send_signal(signal.SIGTERM)
            code = self._process.wait(_SECONDS)
            self.log.join(_SECONDS)
            if code != 0:
                problems.append(f"the node has ended with exit code {code}")
            if left := self._living():
                problems.append(f"processes left: {', '.join(left)}")
            problems += self.log.left
        except subprocess.TimeoutExpired:
            problems.append("the node does not end")
        finally:
            self._signal_all(signal.SIGKILL)
            self._process.wait(_SECONDS)
            self._runner.close()
        return problems + self.log_problems()

    def end_clients(self) -> list[str]:
        """Close the clients, give services time to notice, and complain about connections that are left."""
        self._clients_closed_at = self.log.length
        for client in self._clients:
            client.close()
        self._clients.clear()
        return [] if self._hand is None else self._neglected(self._hand)

    def log_problems(self) -> list[str]:
        """Return complaints about errors in the log since the last call."""
        begin, self.lines_checked = self.lines_checked, self.log.length
        problems = self.expectations.problems(self._errors(begin), self.lines[begin:])
        self.expectations.expected.clear()
        return problems

    def _neglected(self, hand: Hand) -> list[str]:
        """Complain about connections that are ended by their peers and not closed by their services in time."""
        deadline = time.monotonic() + _NOTICE_SECONDS
        try:
            while (left := hand.do_now("neglected")) and time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS)
        except OSError:
            return ["the test's hand has been lost: its process has ended"]
        return [
            f"socket {id_} of :{owner:08x} left open: its peer has ended, and the service has not closed it"
            for id_, owner in left
        ]

    def _errors(self, begin: int) -> list[str]:
        """Return the errors from line `begin` on, but for those that are allowed or come of closing the clients."""
        return [
            text
            for line, text in self.log.errors
            if line >= begin
            and not self.expectations.allows(text)
            and not (line >= self._clients_closed_at and re.search(CLIENT_HAS_GONE, text, re.MULTILINE))
        ]

    def _living(self) -> dict[str, int]:
        """Return the process ids of the living processes in the node's session, by title."""
        found: dict[str, int] = {}
        for name in filter(str.isdecimal, os.listdir("/proc")):
            try:
                state, _, _, session = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[:4]
                title = Path(f"/proc/{name}/cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode()
            except OSError:
                continue
            if int(session) == self._process.pid and state not in "ZX":
                found[title] = int(name)
        return found

    def _signal_all(self, signal_number: signal.Signals) -> None:
        for pid in self._living().values():
            _signal(pid, signal_number)

    # -- what a test does --

    async def _do(self, verb: str, *args: Any, **kwargs: Any) -> Any:
        assert self._hand is not None
        return await self._hand.do(verb, *args, **kwargs)

    def _do_now(self, verb: str, *args: Any, **kwargs: Any) -> Any:
        assert self._hand is not None
        return self._hand.do_now(verb, *args, **kwargs)

    def _new_client(self) -> Client:
        socket_ = socket.socket()
        socket_.setblocking(False)
        return Client(socket_, asyncio.get_running_loop())

    def _signal_worker(self, index: int, signal_number: signal.Signals) -> None:
        deadline = time.monotonic() + _SECONDS
        title = f"skypy: worker {index}"
        while (pid := self._living().get(title)) is None or not _signal(pid, signal_number):  # it is being replaced
            if time.monotonic() > deadline:
                raise AssertionError(f"worker {index} does not come back")
            time.sleep(_POLL_SECONDS)


def _signal(pid: int, signal_number: signal.Signals) -> bool:
    """Send a signal; return False if the process has ended meanwhile."""
    try:
        os.kill(pid, signal_number)
    except ProcessLookupError:
        return False
    return True
