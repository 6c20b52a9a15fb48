"""A node of real processes, with the verbs of a system in memory: what proves that the one stands for the other."""

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

from skypy.core.address import Address
from skypy.core.settings import Settings
from skypy.testing.client import Client
from skypy.testing.journal import CLIENT_HAS_GONE, find_problems
from skypy.testing.processes.hand import Hand
from skypy.testing.processes.log import RealLog
from skypy.testing.tested_node import NotStarted, check_worker

_SECONDS: Final = 30.0
"""More than anything here takes on a busy machine."""
_NOTICE_SECONDS: Final = 5.0
"""How long services may take to notice that their clients have gone."""
_POLL_SECONDS: Final = 0.005
_STARTED: Final = r"^\[node\] .* started (at :[0-9a-f]{8}|and has exited)$"


class Node:
    """The processes of `skypy run` in a session of their own, and one more, in which the test has its hand."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        """`folder`: where its settings are written."""
        self._settings = settings
        self._file = folder / "settings.json"
        self._file.write_text(json.dumps(settings.to_plain()))
        self._expected: list[re.Pattern[str]] = []
        self._allowed: list[re.Pattern[str]] = []
        self._clients: list[Client] = []
        self._runner = asyncio.Runner()
        self._hand: Hand | None = None
        self._ended = False
        self.closers: list[Callable[[], Coroutine[Any, Any, Any]]] = []
        """What is to be run when the test is over: the rest of its fixtures."""
        self._looked_at = 0
        self._clients_ended = 0

    # -- life --

    def begin(self) -> None:
        """Start it, and wait until it has started."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "skypy.testing.processes.node_program", str(self._file)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._process.stderr is not None
        self._log = RealLog(self._process.stderr)
        port = int(self._wait_for_line(r"^\[:ffff\w+\] skypy_hand on port (\d+)$")[1])
        self._hand = Hand(port, _SECONDS)
        if self._settings.start:
            self._wait_for_line(_STARTED)

    def _wait_for_line(self, pattern: str) -> re.Match[str]:
        found = self._log.wait_for(pattern, _SECONDS)
        if found is None:
            raise NotStarted(self.lines)
        return found

    def run_test(self, function: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Run a coroutine function to its end."""
        return self._runner.run(function())

    def end(self) -> list[str]:
        """End it in order; what was left, and what else is wrong. Twice is harmless."""
        if self._ended:
            return []
        self._ended = True
        problems: list[str] = []
        try:
            for pid in self._children().values():
                os.kill(pid, signal.SIGCONT)
            problems += self.end_clients()
            if self._hand is not None:
                self._hand.close()
            self._process.send_signal(signal.SIGTERM)
            code = self._process.wait(_SECONDS)
            self._log.join(_SECONDS)
            if code != 0:
                problems.append(f"the node has ended with exit code {code}")
            if left := self._children():
                problems.append(f"processes left: {', '.join(left)}")
            problems += self._log.left
        except subprocess.TimeoutExpired:
            problems.append("the node does not end")
        finally:
            self._kill_all()
            self._runner.close()
        return problems + self.log_problems()

    def end_clients(self) -> list[str]:
        """Close them, and let services notice: which have not."""
        self._clients_ended = self._log.length
        for client in self._clients:
            client.close()
        self._clients.clear()
        return [] if self._hand is None else self._forgotten(self._hand)

    def log_problems(self) -> list[str]:
        """What is wrong with the log since it was last asked for."""
        begin, self._looked_at = self._looked_at, self._log.length
        expected, self._expected = self._expected, []
        return find_problems(self._errors(begin), expected, self.lines[begin:])

    def _forgotten(self, hand: Hand) -> list[str]:
        """Connections that services have not closed although the peers have ended, which takes them a moment."""
        deadline = time.monotonic() + _NOTICE_SECONDS
        try:
            while (left := hand.do_now("forgotten")) and time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS)
        except OSError:
            return ["the test's hand has been lost: its process has ended"]
        return [
            f"socket {number} of :{owner:08x} left open: its peer has ended, and the service has not closed it"
            for number, owner in left
        ]

    def _errors(self, begin: int) -> list[str]:
        """What the log says of errors from line `begin` on; what services meet when clients have gone is none."""
        return [
            text
            for line, text in self._log.errors
            if line >= begin
            and not any(one.search(text) for one in self._allowed)
            and not (line >= self._clients_ended and re.search(CLIENT_HAS_GONE, text, re.MULTILINE))
        ]

    def _children(self) -> dict[str, int]:
        """What lives in its session, by title."""
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

    def _kill_all(self) -> None:
        for pid in self._children().values():
            os.kill(pid, signal.SIGKILL)
        self._process.wait(_SECONDS)

    def how_to_repeat(self) -> list[str]:
        """Real processes cannot be repeated."""
        return []

    # -- the verbs --

    async def newservice(self, name: str, /, *args: Any, worker: int | None = None) -> Address:
        """Start a service; see `skypy.newservice`."""
        address: Address = await self._do("newservice", name, *args, worker=worker)
        return address

    async def uniqueservice(self, name: str, /, *args: Any) -> Address:
        """The one instance of a service; see `skypy.uniqueservice`."""
        address: Address = await self._do("uniqueservice", name, *args)
        return address

    async def queryservice(self, name: str, /) -> Address:
        """The one instance of a service, once it exists; see `skypy.queryservice`."""
        address: Address = await self._do("queryservice", name)
        return address

    async def call(self, address: Address | str, command: str, /, *args: Any, **kwargs: Any) -> Any:
        """The reply; see `skypy.call`."""
        return await self._do("call", address, command, *args, **kwargs)

    def send(self, address: Address | str, command: str, /, *args: Any, **kwargs: Any) -> bool:
        """One way; see `skypy.send`."""
        accepted: bool = self._do_now("send", address, command, *args, **kwargs)
        return accepted

    async def kill(self, address: Address | str) -> None:
        """End an actor; see `skypy.kill`."""
        await self._do("kill", address)

    def query(self, name: str) -> Address | None:
        """Who has a name; see `skypy.query`."""
        address: Address | None = self._do_now("query", name)
        return address

    async def _do(self, verb: str, *args: Any, **kwargs: Any) -> Any:
        assert self._hand is not None
        return await self._hand.do(verb, *args, **kwargs)

    def _do_now(self, verb: str, *args: Any, **kwargs: Any) -> Any:
        assert self._hand is not None
        return self._hand.do_now(verb, *args, **kwargs)

    # -- what only a test does --

    def kill_worker(self, index: int) -> None:
        """End a worker's process at once, by SIGKILL: the node replaces it. Raises ValueError when there is none."""
        self._signal_worker(index, signal.SIGKILL)

    def suspend_worker(self, index: int) -> None:
        """Stop a worker's process by SIGSTOP: it is there and does nothing. Raises ValueError when there is none."""
        self._signal_worker(index, signal.SIGSTOP)

    def resume_worker(self, index: int) -> None:
        """Let it go on, by SIGCONT. Raises ValueError when there is none."""
        self._signal_worker(index, signal.SIGCONT)

    def _signal_worker(self, index: int, number: signal.Signals) -> None:
        check_worker(index, self._settings.workers)
        deadline = time.monotonic() + _SECONDS
        while (pid := self._children().get(f"skypy: worker {index}")) is None:  # it is just being replaced
            if time.monotonic() > deadline:
                raise AssertionError(f"worker {index} does not come back")
            time.sleep(_POLL_SECONDS)
        os.kill(pid, number)

    async def connect(self, port: int, host: str = "127.0.0.1") -> Client:
        """A client of whoever listens there."""
        end = socket.socket()
        end.setblocking(False)
        client = Client(end, asyncio.get_running_loop())
        self._clients.append(client)
        await client.connect(host, port)
        return client

    def expect_error(self, pattern: str) -> None:
        """The test causes error lines that match: at least one of them comes, and no others."""
        self._expected.append(re.compile(pattern, re.MULTILINE))

    def allow_error(self, pattern: str) -> None:
        """Error lines that match may come, and need not."""
        self._allowed.append(re.compile(pattern, re.MULTILINE))

    @property
    def lines(self) -> list[str]:
        """What the log says."""
        return self._log.lines
