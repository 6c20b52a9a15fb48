"""The node process of a system in memory. Its children are virtual processes on the loop of the test."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import Any

from skypy.core.tcp.connection import Connection
from skypy.lane.lane import Lane
from skypy.node.child import Child
from skypy.node.log.sink import LogSink
from skypy.node.process import begin
from skypy.node.socket_process import SocketProcess
from skypy.node.worker_process import WorkerProcess
from skypy.testing.leaks import sockets_of
from skypy.testing.memory.descriptors import ProcessHandle, close, description_of, descriptors_of, install
from skypy.testing.memory.kernel import MemoryKernel
from skypy.testing.memory.loop import MemoryLoop
from skypy.testing.memory.network import Listening, TcpEndpoint
from skypy.testing.memory.process import VirtualProcess
from skypy.testing.node_process import TestedNodeProcess


class MemoryChild(Child):
    """A virtual process, seen from the node."""

    program: WorkerProcess | SocketProcess

    def __init__(
        self, node: MemoryNodeProcess, title: str, module: str, received: Callable[[Child, Any], None]
    ) -> None:
        self._node = node
        ours, theirs = node.kernel.lane_pair()
        self.process = VirtualProcess(title)
        descriptor = install(description_of(theirs.fileno()), self.process)
        theirs.close()
        super().__init__(title, Lane(ours, node.kernel), received, node.loop)
        self.pidfd = install(ProcessHandle(self.kill, self.process))
        self._node_context = node.process.context
        node.kernel.responders[description_of(ours.fileno())] = self._answer
        main = self._be_the_socket_service if module == "skypy.node.socket_process" else self._be_a_worker
        self.process.context.copy().run(self._listen, descriptor, main)

    def kill(self) -> None:
        self._exit(-signal.SIGKILL)

    def _answer(self) -> None:
        """Handle now what a worker that blocks has sent, so that the worker gets its answer."""
        self._node_context.copy().run(self._read_and_send)

    def _read_and_send(self) -> None:
        self.read_control()
        self._lane.flush()  # the lane may have been full

    # -- inside the virtual process --

    def _listen(self, descriptor: int, main: Callable[[Lane, list[Any]], None]) -> None:
        """Run `main` with the control lane and its first messages, as soon as they come."""
        control = Lane(self._node.kernel.socket_of(descriptor), self._node.kernel)

        def first() -> None:
            if messages := control.receive():
                self._node.loop.remove_reader(descriptor)
                main(control, messages)

        self._node.loop.add_reader(descriptor, first)

    def _be_a_worker(self, control: Lane, messages: list[Any]) -> None:
        def ended() -> None:
            self._exit(program.exit_status)

        node = self._node
        program = self.program = WorkerProcess(begin(control, messages), node.loop, ended, node.kernel)

    def _be_the_socket_service(self, control: Lane, messages: list[Any]) -> None:
        """Turn the reactor whenever something is ready or due.

        The real process sleeps in epoll between its turns. Here the poller asks the loop for a turn when it becomes
        ready, and a timer asks for one at the next deadline.
        """
        node = self._node
        program = SocketProcess(begin(control, messages), node.socket_service_log, node.kernel)
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
            program.socket_service.reactor.turn(0)
            if program.ended:
                self._exit(0)
                return
            if poller.readiness.ready():
                request()
            if timer is not None:
                timer.cancel()
            due = program.socket_service.reactor.next_deadline
            timer = None if due is None else node.loop.call_at(due, request, context=context)

        reactor = program.socket_service.reactor
        node.kernel.serve_sockets = lambda: context.copy().run(reactor.turn, 0)
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
        if code >= 0:
            self._node.left += [f"left open by {self.process.title}: {one}" for one in self._left_open()]
        for descriptor in descriptors_of(self.process):
            close(descriptor)
        self._node.loop.call_soon(self._has_ended, code, context=self._node_context)

    def _left_open(self) -> list[str]:
        """Return the connections and listeners that belong to no actor; lanes and the bus end with the process."""
        held = sockets_of(self.program.worker) if isinstance(self.program, WorkerProcess) else set()
        return [
            f"{description_of(descriptor)} (descriptor {descriptor})"
            for descriptor in descriptors_of(self.process)
            if descriptor not in held and isinstance(description_of(descriptor), Listening | TcpEndpoint)
        ]

    def _has_ended(self, code: int) -> None:
        while self.read_control():
            pass
        close(self.pidfd)
        self.close_control()
        self.ended.set_result(code)


class MemoryNodeProcess(TestedNodeProcess):
    """The real node process, with children in memory."""

    kernel: MemoryKernel

    def __init__(
        self,
        settings: Any,
        log: LogSink,
        socket_service_log: Callable[[str], None],
        loop: MemoryLoop,
        kernel: MemoryKernel,
        process: VirtualProcess,
    ) -> None:
        self.process = process
        self.kernel = kernel
        self.loop = loop
        self.socket_service_log = socket_service_log
        self.left: list[str] = []
        """Lines about descriptors that processes had open when they ended in order."""
        self.killed: set[asyncio.Task[Any]] = set()
        """Tasks of killed processes: nothing of them may run before the test is over, no `finally` either."""
        super().__init__(settings, log, kernel)

    def child(self, index: int) -> MemoryChild:
        """Return the worker with an index, from 1 on."""
        child = self.workers[self.process_numbers[index]]
        assert isinstance(child, MemoryChild)
        return child

    @property
    def connections(self) -> list[Connection]:
        """The connections of the socket service."""
        assert isinstance(self.socket_service, MemoryChild)
        program = self.socket_service.program
        assert isinstance(program, SocketProcess)
        return program.socket_service.connections

    def lives(self, process_number: int) -> bool:
        """Return True if a worker's process has not ended."""
        return process_number in self.workers

    def start_child(
        self, title: str, module: str, received: Callable[[Child, Any], None], arguments: tuple[str, ...] = ()
    ) -> Child:
        del arguments
        return MemoryChild(self, title, module, received)

    def handle_signals(self) -> None:
        """Do nothing: signals are the test runner's."""
