"""The node's own process: it starts the socket service and the workers, replaces workers that die, and ends them all.

It runs no code of users. It ends the workers first (stop functions, tasks, sockets), then the socket service (which
delivers the output that it was given), then itself. A second signal ends everything at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import sys
import traceback
from collections.abc import Callable, Coroutine
from enum import IntEnum
from typing import Any, Final

from skypy.core.address import Address, format_address
from skypy.core.settings import Settings
from skypy.core.timing.restart import RestartIntensity
from skypy.core.wire.control_lane import (
    ACTOR_BORN,
    ACTOR_ENDED,
    ASK,
    DOWN,
    JOIN,
    LAUNCH_FAILED,
    LAUNCHED,
    NONSENSE,
    QUERY_PROCESS,
    READY,
    RESERVATION_UNUSED,
    SETTINGS,
    SHUT_DOWN_NODE,
    STOP,
    STOP_NOW,
    TOTAL,
    USED_UP,
    WATCH,
)
from skypy.core.wire.values import pack_arguments
from skypy.node.child import Child, ChildProcess
from skypy.node.directory import Directory
from skypy.node.launcher import WORKER_DIED, Launcher
from skypy.node.log.python_output import PythonOutput
from skypy.node.log.sink import LogSink
from skypy.node.questions import Questions
from skypy.node.signals import SignalHandlers
from skypy.node.succession import Succession
from skypy.system.kernel import LINUX, Kernel
from skypy.system.poller import new_selector
from skypy.system.this_process import block_stop_signals, hold_standard_descriptors, set_title

_MARGIN_SECONDS: Final = 1.0
"""The time that a child gets beyond its own limits."""


class ExitCode(IntEnum):
    """The exit codes of a node; CONFIG is for errors that are found before it starts."""

    STOPPED = 0
    FAILED = 1
    CONFIG = 2
    START_SERVICE_FAILED = 3


class NodeProcess:
    """The process that starts, replaces and ends the others of its node.

    The testing kit has nodes that differ in their children. Its subclasses override the methods under "hooks", use the
    attributes without an underscore, and start processes of their own with `add_worker`.
    """

    def __init__(self, settings: Settings, log: LogSink, kernel: Kernel = LINUX) -> None:
        """Prepare a node on the running loop; `run` starts its processes."""
        self.kernel = kernel
        self.settings = settings
        self.socket_service: Child | None = None
        self.workers: dict[int, Child] = {}
        """The workers that live, by process number."""
        self.process_numbers: dict[int, int] = {}
        """The process number that has each index (from 1) now."""
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._result: asyncio.Future[ExitCode] = self._loop.create_future()
        self._succession = Succession(
            log, self.workers, self.process_numbers, self._start_worker, self._stop_worker, self._give_up
        )
        self._total = 0  # of foreign writes, as far as workers have told
        self._launcher = Launcher(self.process_numbers, self._send_to_worker)
        self._directory = Directory(self.workers, self._send_to_worker, self._launcher, settings.env)
        self._questions = Questions(self._launcher, self._directory, self._send_to_worker)
        self._started = (self._loop.time(), kernel.unix_time())
        self._intensity = RestartIntensity(settings.node.max_restarts, settings.node.restart_period)
        self._watchers: set[asyncio.Task[None]] = set()
        self._start_service_process = 0
        """The process number of the worker that has been given the start service; 0: none has it now."""

    async def run(self) -> ExitCode:
        """Run until a signal or an actor stops the node, or it cannot go on."""
        self.handle_signals()
        self._log.announce(f"the log is in {self.settings.logger}")
        try:
            self.socket_service = self.start_child(
                "socket service", "skypy.node.socket_process", self._received_from_socket_service
            )
            self.socket_service.send(self.settings_for(0))
            self._watch(self._watch_socket_service(self.socket_service))
            for index in range(1, self.settings.workers + 1):
                self._succession.begin(index)
        except OSError as error:
            self._give_up(f"the processes of the node cannot be started: {error}")
        else:
            self._give_start_service()
        code = await self._result
        self._succession.over = True
        await self._stop_children()
        return code

    def stop(self, reason: str) -> None:
        """End the node in order; `reason` goes to the log."""
        if not self._result.done():
            self._log.note(reason)
            self._result.set_result(ExitCode.STOPPED)

    def fail(self, error: BaseException) -> None:
        """End the node, with exit code 1 and a traceback in the log: nothing is known about it after this error."""
        if not self._result.done():
            self._result.set_result(ExitCode.FAILED)
        text = "".join(traceback.format_exception(error)).rstrip()
        self._log.complain(f"an error in the node's own process, which ends:\n{text}")

    # -- hooks: the testing kit overrides these --

    def handle_signals(self) -> None:
        """Begin to react to signals."""
        SignalHandlers(self._loop, self._log, self.stop, self._kill_all)

    def start_child(
        self, title: str, module: str, received: Callable[[Child, Any], None], arguments: tuple[str, ...] = ()
    ) -> Child:
        """Start the process that runs `module`; `received(child, message)` gets its messages."""
        return ChildProcess(title, module, arguments, received, self._log.write)

    def settings_for(self, process_number: int) -> tuple[Any, ...]:
        """Return the message SETTINGS for a process; 0: the socket service."""
        return SETTINGS, process_number, self.settings.to_plain(), self._started

    def launch_start_service(self) -> None:
        """Launch the start service on worker 1."""
        name, *arguments = self.settings.start.split()
        packed_arguments = pack_arguments(arguments, {})
        self._launcher.launch(1, name, packed_arguments, self._start_service_started, self._start_service_failed)

    def received_from_worker(self, process_number: int, child: Child, message: Any) -> None:  # noqa: C901 - a table of words
        """Handle a message of the worker with a process number."""
        kind, *fields = message
        if kind == READY:
            child.ready = True
        elif kind == LAUNCHED:
            self._launcher.launched(*fields)
        elif kind == LAUNCH_FAILED:
            self._launcher.launch_failed(*fields)
        elif kind == TOTAL:
            self._total = max(self._total, *fields)
        elif kind == ASK:
            self._questions.ask(process_number, *fields)
        elif kind == ACTOR_BORN:
            self._launcher.actor_born(*fields)
        elif kind == ACTOR_ENDED:
            self._launcher.actor_ended(*fields)
            self._directory.actor_ended(*fields)
            self._succession.actor_ended(process_number)
        elif kind == RESERVATION_UNUSED:
            self._launcher.end_reservation(process_number, *fields)
        elif kind == QUERY_PROCESS:
            self._succession.queried(child, *fields)
        elif kind == SHUT_DOWN_NODE:
            self.stop(f"stopping: {format_address(*fields)} has asked for it")
        elif kind == NONSENSE:
            self._succession.nonsense(*fields)
        elif kind == USED_UP:
            self._succession.used_up(process_number, self._give_start_service)

    # -- children --

    def add_worker(self, process_number: int, title: str) -> Child:
        """Start a worker process, and give it a lane to the socket service and to each other worker.

        Raises OSError. Then nothing has been started, and no process has been told anything.
        """
        assert self.socket_service is not None
        with contextlib.ExitStack() as stack:
            service_lane, *lanes = [
                tuple(map(stack.enter_context, self.kernel.lane_pair())) for _ in range(1 + len(self.workers))
            ]
            received = functools.partial(self.received_from_worker, process_number)
            worker = self.start_child(title, "skypy.node.worker_process", received, (title,))
            self.socket_service.send((JOIN, process_number), service_lane[0].fileno())
            self.socket_service.send((WATCH, process_number), worker.pidfd)
            worker.send(self.settings_for(process_number), service_lane[1].fileno())
            for (ours, theirs), (number, other) in zip(lanes, self.workers.items(), strict=True):
                worker.send((JOIN, number), ours.fileno())
                other.send((JOIN, process_number), theirs.fileno())
        self.workers[process_number] = worker
        self._directory.worker_started(process_number)
        return worker

    def _start_worker(self, index: int, process_number: int) -> None:
        worker = self.add_worker(process_number, f"worker {index}")
        self._watch(self._watch_worker(worker, index, process_number))

    def _give_start_service(self) -> None:
        """Launch the start service on worker 1, unless a worker has it, or worker 1 does not run yet."""
        if not self._start_service_process and 1 in self.process_numbers:
            self._start_service_process = self.process_numbers[1]
            self.launch_start_service()

    def _start_service_started(self, address: Address) -> None:
        where = f"at {format_address(address)}" if address else "and has exited"
        self._log.note(f"{self.settings.start} started {where}")

    def _start_service_failed(self, key: str, text: str) -> None:
        if key == WORKER_DIED:
            return  # the start service is launched again on the worker's successor
        if not self._result.done():
            self._log.complain(f"{self.settings.config_file}: {key}: {text}")
            self._result.set_result(ExitCode.START_SERVICE_FAILED)

    def _send_to_worker(self, process_number: int, message: tuple[Any, ...]) -> None:
        worker = self.workers.get(process_number)
        if worker is not None:
            if self._total > worker.told_total:
                worker.told_total = self._total
                worker.send((TOTAL, self._total))
            worker.send(message)

    def _received_from_socket_service(self, child: Child, message: Any) -> None:
        child.ready = child.ready or message[0] == READY

    def _watch(self, watcher: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(watcher)
        self._watchers.add(task)
        task.add_done_callback(self._watcher_ended)

    def _watcher_ended(self, task: asyncio.Task[None]) -> None:
        """End the node when a watcher has failed: a process that is not watched is not replaced."""
        self._watchers.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.fail(error)

    async def _watch_socket_service(self, child: Child) -> None:
        await child.ended
        if not self._result.done():
            self._give_up(f"the socket service {child.how_it_ended()}: the node cannot go on without it")

    async def _watch_worker(self, worker: Child, index: int, process_number: int) -> None:
        await worker.ended
        del self.workers[process_number]
        how = worker.how_it_ended()
        self._directory.worker_died(process_number)  # its names are free before any caller knows
        for other in self.workers.values():
            other.send((DOWN, process_number, f"its process {how}"))
        is_to_be_replaced = self._succession.leave(index, process_number)
        self._launcher.worker_died(process_number, how)
        if self._result.done():
            return  # a stop function in another worker may have waited for that one
        if not is_to_be_replaced and worker.ended.result() == 0:
            self._log.note(f"{worker.title}, which had given out all its addresses, has ended with its last actor")
            return
        if not self._intensity.allows(self._loop.time()):
            self._give_up(
                f"{worker.title} {how}, and workers have died more than {self._intensity.count} times "
                f"within {self._intensity.seconds:g} s: the node stops"
            )
            return
        if process_number == self._start_service_process:
            self._start_service_process = 0
        if is_to_be_replaced:
            self._log.note(f"{worker.title} {how}; it is replaced")
            self._succession.follow(index, self._give_start_service)
        else:
            self._log.note(f"{worker.title} {how}; another process has taken its place already")
            self._give_start_service()

    # -- the end --

    def _give_up(self, text: str) -> None:
        """End the node with exit code 1, unless it ends already; `text` says why."""
        self._log.complain(text)
        if not self._result.done():
            self._result.set_result(ExitCode.FAILED)

    def _kill_all(self) -> None:
        """Kill the workers; the socket service gets a moment, to tell peers by a reset that bytes are missing."""
        for worker in self.workers.values():
            worker.kill()
        if self.socket_service is not None:
            self.socket_service.send((STOP,))
            self.socket_service.send((STOP_NOW,))
            self._loop.call_later(_MARGIN_SECONDS, self.socket_service.kill)

    async def _stop_children(self) -> None:
        await asyncio.gather(*map(self._stop_child, list(self.workers.values())))
        if self.socket_service is not None:
            await self._stop_child(self.socket_service)

    def _stop_worker(self, worker: Child) -> None:
        self._watch(self._stop_child(worker))

    async def _stop_child(self, child: Child) -> None:
        if not child.ended.done():
            child.send((STOP,))
        _, late = await asyncio.wait([child.ended], timeout=self.settings.stop_timeout + _MARGIN_SECONDS)
        if late:
            limit = f"stop_timeout ({self.settings.stop_timeout:g} s)"
            self._log.note(f"{child.title} did not end within {limit}: killed")
            child.kill()
            await asyncio.wait([child.ended], timeout=self.settings.stop_timeout + _MARGIN_SECONDS)


def run(settings: Settings, kind: type[NodeProcess] = NodeProcess) -> int:
    """Run a node until it has stopped; return one of `ExitCode`. `kind`: NodeProcess, or the testing kit's class."""
    hold_standard_descriptors()
    set_title(f"node {settings.config_file}")
    try:
        log = LogSink.open(settings.logger)
    except OSError as error:
        print(f"skypy: {settings.config_file}: logger: {error}", file=sys.stderr)  # noqa: T201
        return ExitCode.CONFIG
    loop_factory = functools.partial(_new_loop, settings)
    try:
        with contextlib.redirect_stderr(PythonOutput(log.note)), asyncio.Runner(loop_factory=loop_factory) as runner:
            return runner.run(_run(settings, log, kind))
    except Exception:  # Python would write the traceback to a standard error that may wait for its reader
        log.complain(traceback.format_exc().rstrip())
        return ExitCode.FAILED
    finally:
        log.close()


def _new_loop(settings: Settings) -> asyncio.AbstractEventLoop:
    return asyncio.SelectorEventLoop(new_selector(settings.node.spin))


async def _run(settings: Settings, log: LogSink, kind: type[NodeProcess]) -> ExitCode:
    node = kind(settings, log)

    def met(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """End the node after an exception that asyncio would only log: all code of this process is skypy's own."""
        if (error := context.get("exception")) is None:
            loop.default_exception_handler(context)
        else:
            node.fail(error)

    asyncio.get_running_loop().set_exception_handler(met)
    try:
        return await node.run()
    except Exception as error:
        node.fail(error)
        return ExitCode.FAILED
    finally:
        block_stop_signals()
