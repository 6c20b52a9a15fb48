"""A node of real processes, with the verbs of a system in memory: what proves that the one stands for the other."""

from __future__ import annotations

import asyncio
import builtins
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

from skypy.core import errors
from skypy.core.address import Address
from skypy.core.settings import Settings
from skypy.core.values import pack_value, unpack_value
from skypy.testing.client import Client
from skypy.testing.journal import CLIENT_HAS_GONE, find_problems

SERVICES: Final = str(Path(__file__).parent / "services")
_SECONDS: Final = 30.0
"""More than anything here takes on a busy machine."""
_ERROR_LINE: Final = re.compile(r"^\[[^\]]+\] (error |socket: error|Task exception|Exception |Fatal|.*was never)")
_PREFIX: Final = re.compile(r"^\[[^\]]+\] ")


class Node:
    """`skypy run` in a session of its own."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        """`folder`: where its config file is written."""
        self._config = folder / "node.toml"
        self._config.write_text(_to_toml(settings))
        self.lines: list[str] = []
        self._expected: list[re.Pattern[str]] = []
        self._more = threading.Condition()
        self._clients: list[Client] = []
        self._runner = asyncio.Runner()
        self._requests: dict[int, asyncio.Future[Any]] = {}
        self._ended = False

    # -- life --

    def begin(self) -> None:
        """Start it, and wait until it has started."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "skypy", "run", str(self._config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._collector = threading.Thread(target=self._collect, daemon=True)
        self._collector.start()
        port = int(self._wait_for_line(r"skypy_hand on port (\d+)$")[1])
        self._runner.run(self._take_hand(port))

    def run_test(self, function: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Run a coroutine function to its end."""
        return self._runner.run(function())

    def end(self) -> list[str]:
        """End it in order; what was left, and what else is wrong. Twice is harmless."""
        if self._ended:
            return []
        self._ended = True
        end = len(self.lines)
        for client in self._clients:
            client.close()
        problems: list[str] = []
        try:
            if hasattr(self, "_reading"):
                self._runner.run(self._let_go())
            self._process.send_signal(signal.SIGTERM)
            code = self._process.wait(_SECONDS)
            self._collector.join(_SECONDS)
            if code != 0:
                problems.append(f"the node has ended with exit code {code}")
            if left := self._children():
                problems.append(f"processes left: {', '.join(left)}")
        except subprocess.TimeoutExpired:
            problems.append("the node does not end")
        finally:
            self._kill_all()
            self._runner.close()
        return problems + find_problems(self._errors(end), self._expected, self.lines)

    def _collect(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as stream:
            for line in stream:
                with self._more:
                    self.lines.append(line.decode("utf-8", "backslashreplace").rstrip("\n"))
                    self._more.notify_all()

    def _wait_for_line(self, pattern: str) -> re.Match[str]:
        deadline = time.monotonic() + _SECONDS
        with self._more:
            while True:
                for line in self.lines:
                    if found := re.search(pattern, line):
                        return found
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise AssertionError("\n".join(["the node has not started", *self.lines]))
                self._more.wait(0.1)

    def _errors(self, end: int) -> list[str]:
        """Entries that speak of errors; what services meet when clients have gone, from line `end` on, is none."""
        before, after = (filter(_ERROR_LINE.match, _entries(lines)) for lines in (self.lines[:end], self.lines[end:]))
        return [*before, *(entry for entry in after if not re.search(CLIENT_HAS_GONE, entry, re.MULTILINE))]

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

    # -- its hand --

    async def _take_hand(self, port: int) -> None:
        reader, self._writer = await asyncio.open_connection("127.0.0.1", port)
        self._reading = asyncio.get_running_loop().create_task(self._read_answers(reader))

    async def _read_answers(self, reader: asyncio.StreamReader) -> None:
        while True:
            size = int.from_bytes(await reader.readexactly(4), "big")
            number, kind, value = unpack_value(await reader.readexactly(size))
            future = self._requests.pop(number)
            if future.done():
                continue
            if kind:
                future.set_exception(_error(kind, value))
            else:
                future.set_result(value)

    async def _let_go(self) -> None:
        self._reading.cancel()
        self._writer.close()
        await asyncio.wait([self._reading])

    async def _do(self, verb: str, *args: Any, **kwargs: Any) -> Any:
        number = len(self._requests) + 1
        while number in self._requests:
            number += 1
        future = self._requests[number] = asyncio.get_running_loop().create_future()
        request = pack_value([number, verb, args, kwargs])
        self._writer.write(len(request).to_bytes(4, "big") + request)
        async with asyncio.timeout(_SECONDS):
            return await future

    # -- the verbs --

    async def newservice(self, name: str, /, *args: Any, worker: int | None = None) -> Address:
        """Start a service; see `skypy.newservice`."""
        address: Address = await self._do("newservice", name, *args, worker=worker)
        return address

    async def call(self, address: Address | str, command: str, /, *args: Any, **kwargs: Any) -> Any:
        """The reply; see `skypy.call`."""
        return await self._do("call", address, command, *args, **kwargs)

    async def kill(self, address: Address | str) -> None:
        """End an actor; see `skypy.kill`."""
        await self._do("kill", address)

    def kill_worker(self, index: int) -> None:
        """End a worker's process at once. Not worker 1: the test's hand is there."""
        os.kill(self._children()[f"skypy: worker {index}"], signal.SIGKILL)

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


def _error(kind: str, arguments: list[Any]) -> Exception:
    known = getattr(errors, kind, None) or getattr(builtins, kind, None)
    if isinstance(known, type) and issubclass(known, Exception):
        return known(*arguments)
    return errors.SkypyError(f"{kind}: {arguments}")


def _to_toml(settings: Settings) -> str:
    """A config file with these settings, whose start service is the test's hand."""
    plain = settings.to_plain()
    tables = {name: plain.pop(name) for name in ("env", "socket")}
    plain |= {"start": f"skypy_hand {settings.start}".rstrip(), "service_path": [*settings.service_path, SERVICES]}
    del plain["config_file"]
    lines = [f"{key} = {json.dumps(value)}" for key, value in plain.items()]
    for name, table in tables.items():
        lines += [f"[{name}]", *(f"{json.dumps(key)} = {json.dumps(value)}" for key, value in table.items())]
    return "\n".join([*lines, ""])


def _entries(lines: list[str]) -> list[str]:
    """Lines that belong together: of one writer, from one error on."""
    entries: list[str] = []
    writer = ""
    for line in lines:
        found = _PREFIX.match(line)
        prefix = found[0] if found else ""
        if entries and prefix == writer and not _ERROR_LINE.match(line):
            entries[-1] += "\n" + line
        else:
            entries.append(line)
        writer = prefix
    return entries
