"""The node of a system in memory: the real one, whose children are virtual processes on the loop of the test."""

from __future__ import annotations

import asyncio
import functools
import signal
from collections.abc import Callable
from typing import Any, Final

from skypy.core.control import JOIN, WATCH
from skypy.lane import Lane
from skypy.node.child import Child
from skypy.node.log_sink import LogSink
from skypy.node.process import begin
from skypy.node.socket_process import SocketProcess
from skypy.node.supervisor import Node
from skypy.node.worker_process import WorkerProcess
from skypy.testing.descriptors import ProcessHandle, close, description_of, install, numbers_of
from skypy.testing.kernel import MemoryKernel
from skypy.testing.loop import MemoryLoop
from skypy.testing.process import VirtualProcess

TEST_PROCESS_NUMBER: Final = 0xFFFF
"""Where the test itself is an actor: its addresses begin with ffff."""


class MemoryChild(Child):
    """A virtual process, seen from the node."""

    program: WorkerProcess | SocketProcess

    def __init__(self, node: MemoryNode, title: str, module: str, said: Callable[[Child, Any], None]) -> None:
        self._node = node
        ours, theirs = node.kernel.lane_pair()
        self.process = VirtualProcess(title)
        number = install(description_of(theirs.fileno()), self.process)
        theirs.close()
        super().__init__(title, Lane(ours, node.kernel), said, node.loop)
        self.pidfd = install(ProcessHandle(self.kill, self.process))
        self._node_context = node.process.context
        node.kernel.responders[description_of(ours.fileno())] = self._answer
        main = self._be_the_service if module == "skypy.node.socket_process" else self._be_a_worker
        self.process.context.copy().run(self._listen, number, main)

    def kill(self) -> None:
        self._exit(-signal.SIGKILL)

    def _answer(self) -> None:
        """Hear and answer now what a worker that blocks has asked."""
        self._node_context.copy().run(self.read_control)

    # -- inside of the virtual process --

    def _listen(self, number: int, main: Callable[[Lane, list[Any]], None]) -> None:
        control = Lane(self._node.kernel.socket_of(number), self._node.kernel)

        def first() -> None:
            if messages := control.receive():
                self._loop.remove_reader(number)
                main(control, messages)

        self._loop.add_reader(number, first)

    def _be_a_worker(self, control: Lane, messages: list[Any]) -> None:
        def ended() -> None:
            self._exit(program.exit_status)

        node = self._node
        program = self.program = WorkerProcess(begin(control, messages), node.loop, ended, node.kernel)

    def _be_the_service(self, control: Lane, messages: list[Any]) -> None:
        node = self._node
        program = SocketProcess(begin(control, messages), node.service_log, node.kernel)
        self.program = program
        poller = node.kernel.newest_poller
        assert poller is not None
        requested = False
        timer: asyncio.TimerHandle | None = None
        context = self.process.context

        def request() -> None:
            nonlocal requested
            if not requested:
                requested = True
                node.loop.call_soon(turn, context=context)

        def turn() -> None:
            nonlocal requested, timer
            requested = False
            program.service.reactor.turn(0)
            if program.ended:
                self._exit(0)
                return
            if poller.readiness.ready():
                request()
            if timer is not None:
                timer.cancel()
            due = program.service.reactor.next_deadline
            timer = None if due is None else node.loop.call_at(due, request, context=context)

        poller.readiness.wake = request
        request()

    # -- its end --

    def _exit(self, code: int) -> None:
        if not self.process.alive:
            return
        self.process.alive = False
        self._node.loop.process_died(self.process)
        if code < 0 and isinstance(self.program, WorkerProcess):
            for task in self.program.tasks():
                task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001
                self._node.killed.add(task)
        for number in numbers_of(self.process):
            close(number)
        self._node.loop.call_soon(self._has_ended, code, context=self._node_context)

    def _has_ended(self, code: int) -> None:
        while self.read_control():
            pass
        close(self.pidfd)
        self.close_control()
        self.ended.set_result(code)


class MemoryNode(Node):
    """The real node, with children in memory."""

    def __init__(
        self,
        settings: Any,
        log: LogSink,
        service_log: Callable[[str], None],
        loop: MemoryLoop,
        kernel: MemoryKernel,
        process: VirtualProcess,
    ) -> None:
        self.process = process
        self.kernel = kernel
        self.loop = loop
        self.service_log = service_log
        self.killed: set[asyncio.Task[Any]] = set()
        """Tasks of processes that were killed: nothing of them may run before the test is over, no `finally` either."""
        super().__init__(settings, log, kernel)

    def child(self, index: int) -> MemoryChild:
        """The worker with an index."""
        child = self._workers[self._indexes[index]]
        assert isinstance(child, MemoryChild)
        return child

    @property
    def service(self) -> MemoryChild:
        """The socket service."""
        assert isinstance(self._service, MemoryChild)
        return self._service

    @property
    def children(self) -> list[MemoryChild]:
        """The workers and the test."""
        return [child for child in self._workers.values() if isinstance(child, MemoryChild)]

    def start_test(self) -> MemoryChild:
        """The process of the test: a worker on which the node places nothing."""
        number = TEST_PROCESS_NUMBER
        child = self._start_child("test", "skypy.node.worker_process", functools.partial(self._worker_said, number))
        assert isinstance(child, MemoryChild)
        self._workers[number] = child
        ours, theirs = self.kernel.lane_pair()
        with ours, theirs:
            self.service.say((JOIN, number), ours.fileno())
            self.service.say((WATCH, number), child.pidfd)
            child.say(self._settings_for(number), theirs.fileno())
        self._introduce(number, child)
        return child

    def _start_child(
        self, title: str, module: str, said: Callable[[Child, Any], None], arguments: tuple[str, ...] = ()
    ) -> Child:
        del arguments
        return MemoryChild(self, title, module, said)

    def _handle_signals(self) -> None:
        """They are the test runner's."""

    def _launch_start_service(self) -> None:
        if self._settings.start:
            super()._launch_start_service()
