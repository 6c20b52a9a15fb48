"""A whole node in memory, and the test as one of its actors."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import random
import re
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final

from skypy.core.address import Address, process_number
from skypy.core.settings import Settings
from skypy.core.tcp.connection import Connection
from skypy.core.tcp.state import State
from skypy.testing.client import Client
from skypy.testing.journal import CLIENT_HAS_GONE, Journal
from skypy.testing.leaks import Inventory, watching_the_collector
from skypy.testing.memory.children import MemoryChild, MemoryNode
from skypy.testing.memory.descriptors import install
from skypy.testing.memory.kernel import MemoryKernel
from skypy.testing.memory.loop import MemoryLoop, Stuck
from skypy.testing.memory.network import TcpEnd
from skypy.testing.memory.process import VirtualProcess
from skypy.testing.memory.sockets import MemorySocket
from skypy.testing.probe import Probe
from skypy.testing.tested_node import NotStarted, check_worker
from skypy.worker.actors.actor import Actor
from skypy.worker.verbs import messages
from skypy.worker.worker import Worker


class System:
    """A node with several workers, in this process and in memory."""

    def __init__(self, settings: Settings, seed: int, real_limit: float = 60.0) -> None:
        """`real_limit`: seconds of real time after which a test has lasted too long."""
        self.seed = seed
        chance = random.Random(seed)
        self.settings = settings
        self.loop = MemoryLoop(chance)
        self.kernel = MemoryKernel(chance, self.loop.time)
        self.journal = Journal()
        self._process = VirtualProcess("node")
        self._real_limit = real_limit
        self._node: MemoryNode
        self._running: asyncio.Task[Any]
        self._test: MemoryChild
        self._actor: Actor
        self._clients: list[Client] = []
        self._stuck_because = ""
        self._has_started = False
        self._ended = False
        self.closers: list[Callable[[], Coroutine[Any, Any, Any]]] = []
        """What is to be run when the test is over: the rest of its fixtures."""

    # -- life --

    def run_test(self, function: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Run a coroutine function as the test's actor to its end."""
        return self.run(function, self._actor.context.copy())

    def run(self, function: Callable[[], Coroutine[Any, Any, Any]], context: contextvars.Context | None = None) -> Any:
        """Run a coroutine function to its end. Raises Stuck when it cannot get there."""
        self.loop.real_limit = time.monotonic() + self._real_limit
        task = self.loop.create_task(self._guarded(function), context=context)

        def stuck(why: str) -> None:
            if self._stuck_because:
                raise Stuck(f"{self._stuck_because}; it goes on when it is cancelled")
            self._stuck_because = why + self._who_waits(task)
            task.cancel()

        self.loop.stuck = stuck
        try:
            return self.loop.run_until_complete(task)
        finally:
            self.loop.stuck = None
            self._stuck_because = ""

    async def _guarded(self, function: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        try:
            return await function()
        except asyncio.CancelledError as error:
            if self._stuck_because:
                raise Stuck(self._stuck_because).with_traceback(error.__traceback__) from None
            raise

    def _who_waits(self, test: asyncio.Task[Any]) -> str:
        lines = []
        for task in sorted(asyncio.all_tasks(self.loop), key=lambda one: one.get_name()):
            stack = task.get_stack(limit=1)
            if task is not test and stack and "/skypy/" not in stack[0].f_code.co_filename:
                frame = stack[0]
                lines.append(f"\n  {task.get_name()}: {frame.f_code.co_filename}:{frame.f_lineno}")
        return "".join(["\nwho waits besides the test:", *lines]) if lines else ""

    def begin(self) -> None:
        """Start the node, and its start service, if it has one."""
        self._inventory = Inventory()
        self.journal.begin()
        self._path = list(sys.path)
        self._modules = set(sys.modules)
        self._random = random.getstate()
        random.seed(self.seed)
        self.run(self._start, self._process.context.copy())

    def end(self) -> list[str]:
        """End everything in order, as a node does; what was left, and what else is wrong. Twice is harmless."""
        if self._ended:
            return []
        self._ended = True
        problems: list[str] = []
        with watching_the_collector() as unclosed:
            try:
                problems += self.run(self._settle)
                self.run(self._stop, self._process.context.copy())
                problems += self._tasks_left() + self._node.left
            finally:
                self._close()
                self.journal.end()
        return problems + unclosed + self._inventory.problems() + self.journal.problems()

    async def _settle(self) -> list[str]:
        """Clients go, which may be a reset to who still sends to them; services get time to notice."""
        self.loop.resume_all()
        self.journal.allow(CLIENT_HAS_GONE)
        for client in self._clients:
            client.close()
        with contextlib.suppress(TimeoutError):  # somebody is busy without end
            async with asyncio.timeout(_TIME_TO_SETTLE_SECONDS):
                await self.loop.wait_idle()
        if self._forgotten():
            await self.loop.advance(_TIME_TO_NOTICE_SECONDS)
        return [
            f"socket {one.id} of :{one.owner:08x} left open: its peer has ended, and the service has not closed it"
            for one in self._forgotten()
        ] + [
            f"socket {one.id} of :{one.owner:08x} left open: its worker has ended"
            for one in self._node.connections
            if not self._node.lives(process_number(one.owner))
        ]

    def _forgotten(self) -> list[Connection]:
        return [one for one in self._node.connections if one.state in _PEER_HAS_ENDED]

    async def _stop(self) -> None:
        self._node.stop("stopping")
        code = await self._running
        if code != 0 and self._has_started:
            self.journal.add(f"the node has ended with exit code {code}", error=True)

    def _tasks_left(self) -> list[str]:
        left = asyncio.all_tasks(self.loop) - self._node.killed
        return [f"a task is left: {task!r}" for task in left]

    def _close(self) -> None:
        before = asyncio.all_tasks(self.loop)
        with self.journal.deaf():
            for task in self._node.killed:
                _dissolve(task)
            for task in asyncio.all_tasks(self.loop) - before:  # which their `finally` has begun
                _dissolve(task)
        self._node.killed.clear()
        for task in asyncio.all_tasks(self.loop):
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001
        self.loop.stuck = None
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()
        sys.path[:] = self._path
        self._forget_helper_modules()
        random.setstate(self._random)
        self._let_go()

    def _let_go(self) -> None:
        """Of everything through which what the workers had could be reached: now it is for the garbage collector."""
        self.loop.set_task_factory(None)
        self.kernel.responders.clear()
        self.kernel.newest_poller = None
        for name in ("_node", "_running", "_test", "_actor"):
            self.__dict__.pop(name, None)

    async def _start(self) -> None:
        self._node = MemoryNode(
            self.settings, self.journal.node, self.journal.service, self.loop, self.kernel, self._process
        )
        self._running = self.loop.create_task(self._node.run())
        await self.loop.wait_idle()
        if self._running.done():
            raise NotStarted(self.lines)
        test = self._node.start_test()
        assert isinstance(test, MemoryChild)
        self._test = test
        await self.loop.wait_idle()
        worker = self.worker_of(self._test)
        address = await self._in(self._test, worker.launch, "skypy_test", _NO_ARGUMENTS)
        self._actor = worker.actors[address]
        self._has_started = True

    async def _in(self, child: MemoryChild, function: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> Any:
        return await self.loop.create_task(function(*args), context=child.process.context.copy())

    def _forget_helper_modules(self) -> None:
        """They belong to the workers that have ended."""
        folders = tuple(f"{folder}/" for folder in self.settings.service_path)
        for name in set(sys.modules) - self._modules:
            file = getattr(sys.modules.get(name), "__file__", None)
            if file and file.startswith(folders):
                del sys.modules[name]

    @staticmethod
    def worker_of(child: MemoryChild) -> Worker:
        """The worker that runs in a child."""
        worker: Worker = child.program.worker  # type: ignore[union-attr]
        return worker

    def how_to_repeat(self) -> list[str]:
        """What to say of a test that has failed."""
        return [f"skypy seed {self.seed}; repeat with --skypy-seed {self.seed}"]

    # -- the verbs --

    async def newservice(self, name: str, /, *args: Any, worker: int | None = None) -> Address:
        """Start a service; see `skypy.newservice`."""
        return await messages.newservice(name, *args, worker=worker)

    async def uniqueservice(self, name: str, /, *args: Any) -> Address:
        """The one instance of a service; see `skypy.uniqueservice`."""
        return await messages.uniqueservice(name, *args)

    async def queryservice(self, name: str, /) -> Address:
        """The one instance of a service, once it exists; see `skypy.queryservice`."""
        return await messages.queryservice(name)

    async def call(self, address: Address | str, command: str, /, *args: Any, **kwargs: Any) -> Any:
        """The reply; see `skypy.call`."""
        return await messages.call(address, command, *args, **kwargs)

    def send(self, address: Address | str, command: str, /, *args: Any, **kwargs: Any) -> bool:
        """One way; see `skypy.send`."""
        return messages.send(address, command, *args, **kwargs)

    async def kill(self, address: Address | str) -> None:
        """End an actor; see `skypy.kill`."""
        await messages.kill(address)

    def query(self, name: str) -> Address | None:
        """Who has a name; see `skypy.query`."""
        return messages.query(name)

    # -- what only a test does --

    async def wait_idle(self) -> None:
        """Wait until nothing can go on before the clock moves."""
        await self.loop.wait_idle()

    def kill_worker(self, index: int) -> None:
        """End a worker's process at once, as SIGKILL does; the node replaces it. Raises ValueError: there is none."""
        check_worker(index, self.settings.workers)
        self._node.child(index).kill()

    def suspend_worker(self, index: int) -> None:
        """Stop a worker's process as SIGSTOP does: it is there and does nothing. Raises ValueError: there is none."""
        check_worker(index, self.settings.workers)
        self.loop.suspend(self._node.child(index).process)

    def resume_worker(self, index: int) -> None:
        """Let it go on, as SIGCONT does. Raises ValueError: there is none."""
        check_worker(index, self.settings.workers)
        self.loop.resume(self._node.child(index).process)

    async def connect(self, port: int, host: str = "127.0.0.1") -> Client:
        """A client of whoever listens there."""
        end = TcpEnd(self.kernel.network)
        client = Client(MemorySocket(install(end), self.kernel.network), self.loop, end)
        self._clients.append(client)
        await client.connect(host, port)
        return client

    async def probe(self) -> Probe:
        """An actor that records what it is sent, and answers as it is told."""
        address = await messages.newservice("skypy_probe", worker="here")
        return Probe(address, self.worker_of(self._test).actors[address].module, self.loop)

    def expect_error(self, pattern: str) -> None:
        """The test causes error lines that match: at least one of them comes, and no others."""
        self.journal.expected.append(re.compile(pattern, re.MULTILINE))

    def allow_error(self, pattern: str) -> None:
        """Error lines that match may come, and need not: the order of events decides."""
        self.journal.allow(pattern)

    @property
    def lines(self) -> list[str]:
        """What the log says, as that of a node does."""
        return self.journal.lines


_LONGEST_FAREWELL: Final = 10
_TIME_TO_SETTLE_SECONDS: Final = 0.1
_TIME_TO_NOTICE_SECONDS: Final = 60.0
_PEER_HAS_ENDED: Final = frozenset({State.HALF_CLOSED_READ, State.HALF_CLOSED_READ_FINISHING, State.WRITE_BROKEN})
_NO_ARGUMENTS: Final = b"\x92\x90\x80"


def _dissolve(task: asyncio.Task[Any]) -> None:
    """Close what a killed process has left, so that it can be freed; nobody hears what its `finally` says."""
    coroutine = task.get_coro()
    if coroutine is None:  # its first step was its last one
        return
    for _ in range(_LONGEST_FAREWELL):
        with contextlib.suppress(BaseException):  # RuntimeError: it has awaited something instead of ending
            coroutine.close()
            return
