"""A whole node in memory, and the test as one of its actors."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
from collections.abc import Callable, Coroutine
from typing import Any, Final

from skypy.core.address import process_number_of
from skypy.core.settings import Settings
from skypy.core.tcp.connection import Connection
from skypy.core.tcp.state import State
from skypy.testing.client import Client
from skypy.testing.journal import CLIENT_HAS_GONE, Journal
from skypy.testing.leaks import InterpreterState, Inventory, watching_the_collector
from skypy.testing.memory.children import MemoryChild, MemoryNodeProcess
from skypy.testing.memory.descriptors import install
from skypy.testing.memory.kernel import MemoryKernel
from skypy.testing.memory.loop import MemoryLoop
from skypy.testing.memory.network import TcpEndpoint
from skypy.testing.memory.process import VirtualProcess
from skypy.testing.memory.sockets import MemorySocket
from skypy.testing.node_process import NotStarted
from skypy.testing.node_under_test import NodeUnderTest
from skypy.testing.probe import Probe
from skypy.worker.actors.actor import Actor
from skypy.worker.verbs import messages, services
from skypy.worker.worker import Worker

_VERBS: Final[dict[str, Callable[..., Any]]] = {
    "newservice": services.newservice,
    "uniqueservice": services.uniqueservice,
    "queryservice": services.queryservice,
    "call": messages.call,
    "send": messages.send,
    "kill": services.kill,
    "query": services.query,
}
_NO_ARGUMENTS: Final = b"\x92\x90\x80"
_TIME_TO_SETTLE_SECONDS: Final = 0.1
"""The time for messages under way to be handled at the end of a test."""
_TIME_TO_NOTICE_SECONDS: Final = 60.0
"""The time for services to close connections after the end of the peer."""
_PEER_HAS_ENDED: Final = frozenset({State.HALF_CLOSED_READ, State.HALF_CLOSED_READ_FINISHING, State.WRITE_BROKEN})
_LONGEST_FAREWELL: Final = 10
"""Attempts to close the coroutine of a killed task, which may await something in each `finally`."""


class System(NodeUnderTest):
    """A node with several workers, in this process and in memory."""

    def __init__(self, settings: Settings, seed: int, real_limit_seconds: float = 60.0) -> None:
        """Make a node that `begin` starts.

        `seed` decides the order of events. `real_limit_seconds` is the real time after which a test has lasted too
        long.
        """
        super().__init__(settings)
        self.seed = seed
        chance = random.Random(seed)
        self.loop = MemoryLoop(chance, real_limit_seconds)
        self.kernel = MemoryKernel(chance, self.loop.time)
        self.journal = Journal(self.expectations)
        self._process = VirtualProcess("node")
        self._node: MemoryNodeProcess
        self._running: asyncio.Task[Any]
        self._test: MemoryChild
        self._actor: Actor
        self._has_started = False

    # -- life --

    def begin(self) -> None:
        self._inventory = Inventory()
        self.journal.begin()
        self._interpreter = InterpreterState()
        random.seed(self.seed)
        self.loop.run_to_end(self._start, self._process.context.copy())

    async def _start(self) -> None:
        self._node = MemoryNodeProcess(
            self.settings,
            self.journal.node,
            self.journal.add_socket_service_line,
            self.loop,
            self.kernel,
            self._process,
        )
        self._running = self.loop.create_task(self._node.run())
        await self.loop.wait_idle()
        if self._running.done():
            raise NotStarted(self.lines)
        test = self._node.start_test()
        assert isinstance(test, MemoryChild)
        self._test = test
        await self.loop.wait_idle()
        worker = worker_of(test)
        launch = worker.launching.launch("skypy_test", _NO_ARGUMENTS)
        address = await self.loop.create_task(launch, context=test.process.context.copy())
        self._actor = worker.actors[address]
        self._has_started = True

    def run_test(self, function: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Run a coroutine function as the test's actor and return its result. Raises Stuck."""
        return self.loop.run_to_end(function, self._actor.context.copy())

    def how_to_repeat(self) -> list[str]:
        return [f"skypy seed {self.seed}; repeat with --skypy-seed {self.seed}"]

    @property
    def lines(self) -> list[str]:
        return self.journal.lines

    # -- its end --

    def _end(self) -> list[str]:
        problems: list[str] = []
        with watching_the_collector() as unclosed:
            try:
                problems += self.loop.run_to_end(self._settle)
                self.loop.run_to_end(self._stop, self._process.context.copy())
                problems += self._tasks_left() + self._node.left
            finally:
                self._close()
                self.journal.end()
        return problems + unclosed + self._inventory.problems() + self.journal.problems()

    async def _settle(self) -> list[str]:
        """Close the clients, give services time to notice, and complain about connections that are left.

        For a service that still sends to its client, the close is a reset, which the log may tell.
        """
        self.loop.resume_all()
        self.allow_error(CLIENT_HAS_GONE)
        for client in self._clients:
            client.close()
        with contextlib.suppress(TimeoutError):  # a service may be busy without end
            async with asyncio.timeout(_TIME_TO_SETTLE_SECONDS):
                await self.loop.wait_idle()
        if self._neglected():
            await self.loop.advance(_TIME_TO_NOTICE_SECONDS)
        return [
            f"socket {one.id} of :{one.owner:08x} left open: its peer has ended, and the service has not closed it"
            for one in self._neglected()
        ] + [
            f"socket {one.id} of :{one.owner:08x} left open: its worker has ended"
            for one in self._node.connections
            if not self._node.lives(process_number_of(one.owner))
        ]

    def _neglected(self) -> list[Connection]:
        """Return the connections that are ended by their peers and not closed by their services."""
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
            for task in asyncio.all_tasks(self.loop) - before:  # begun by the `finally` of a killed one
                _dissolve(task)
        self._node.killed.clear()
        for task in asyncio.all_tasks(self.loop):
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()
        self._interpreter.restore(self.settings.service_path)
        self._let_go()

    def _let_go(self) -> None:
        """Drop every way to the former workers, so that the garbage collector finds what they have left open."""
        self.loop.set_task_factory(None)
        self.kernel.responders.clear()
        self.kernel.newest_poller = None
        for name in ("_node", "_running", "_test", "_actor"):
            self.__dict__.pop(name, None)

    # -- what a test does --

    async def _do(self, verb: str, *args: Any, **kwargs: Any) -> Any:
        return await _VERBS[verb](*args, **kwargs)

    def _do_now(self, verb: str, *args: Any, **kwargs: Any) -> Any:
        return _VERBS[verb](*args, **kwargs)

    async def wait_idle(self) -> None:
        """Wait until nothing can go on before the clock moves."""
        await self.loop.wait_idle()

    async def probe(self) -> Probe:
        """Start an actor that records its messages and answers as the test tells it, and return its probe."""
        address = await services.newservice("skypy_probe", worker="here")
        return Probe(address, worker_of(self._test).actors[address].module, self.loop)

    def _new_client(self) -> Client:
        endpoint = TcpEndpoint(self.kernel.network)
        return Client(MemorySocket(install(endpoint), self.kernel.network), self.loop, endpoint)

    def _signal_worker(self, index: int, signal_number: signal.Signals) -> None:
        worker = self._node.child(index)
        match signal_number:
            case signal.SIGKILL:
                worker.kill()
            case signal.SIGSTOP:
                self.loop.suspend(worker.process)
            case _:
                self.loop.resume(worker.process)


def worker_of(child: MemoryChild) -> Worker:
    """Return the worker that runs in a child."""
    worker: Worker = child.program.worker  # type: ignore[union-attr]
    return worker


def _dissolve(task: asyncio.Task[Any]) -> None:
    """Close the coroutine of a killed task, so that it can be freed; errors of its `finally` blocks are dropped."""
    coroutine = task.get_coro()
    if coroutine is None:  # its first step was its last one
        return
    for _ in range(_LONGEST_FAREWELL):
        with contextlib.suppress(BaseException):  # RuntimeError: it has awaited something instead of ending
            coroutine.close()
            return
