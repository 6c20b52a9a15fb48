"""The node: starts the socket service and the workers, replaces workers that die, and ends everything in order.

It runs no code of users. Order of the end: the workers (stop functions, tasks, sockets), then the socket service (which
delivers what it was given), then the node. A second signal ends everything at once.
"""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from enum import IntEnum
from typing import Any, Final

import setproctitle

from skypy.core.address import Address, format_address
from skypy.core.restart import RestartIntensity
from skypy.core.settings import Settings
from skypy.core.wire.control_lane import (
    ACTOR_BORN,
    ACTOR_ENDED,
    ASK,
    DOWN,
    JOIN,
    LAUNCH_FAILED,
    LAUNCHED,
    QUERY_PROCESS,
    READY,
    RESERVATION_UNUSED,
    SETTINGS,
    SHUT_DOWN_NODE,
    STOP,
    STOP_NOW,
    UNKNOWN_PROCESS,
    WATCH,
)
from skypy.core.wire.values import pack_arguments
from skypy.node.child import Child, ChildProcess
from skypy.node.launcher import WORKER_DIED, Launcher
from skypy.node.log_sink import LogSink
from skypy.system.kernel import LINUX, Kernel

RESTARTS: Final = 5
RESTART_PERIOD_SECONDS: Final = 10.0
"""More deaths than this within the period are no accident: a node that restarts for ever serves nobody."""
_MARGIN_SECONDS: Final = 1.0
_SAME_SIGNAL_SECONDS: Final = 0.01


class ExitCode(IntEnum):
    """How a node ends; 2 is for what is found before it starts."""

    STOPPED = 0
    FAILED = 1
    CONFIG = 2
    START_SERVICE_FAILED = 3


class NodeProcess:
    """The supervisor of one node."""

    def __init__(self, settings: Settings, log: LogSink, kernel: Kernel = LINUX) -> None:
        self._kernel = kernel
        self._settings = settings
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._result: asyncio.Future[ExitCode] = self._loop.create_future()
        self._service: Child | None = None
        self._workers: dict[int, Child] = {}  # by process number
        self._indexes: dict[int, int] = {}  # index (from 1) → process number of the worker that has it now
        self._last_process_number = 0
        self._launcher = Launcher(self._indexes, self._tell_worker, settings.env)
        self._started = (self._loop.time(), time.time())
        self._intensity = RestartIntensity(RESTARTS, RESTART_PERIOD_SECONDS)
        self._watchers: set[asyncio.Task[None]] = set()
        self._signalled_at: float | None = None

    async def run(self) -> ExitCode:
        """Run until asked to stop, or until it cannot go on."""
        self._handle_signals()
        if not self._log.is_standard_error:
            print(f"skypy: the log is in {self._settings.logger}", file=sys.stderr, flush=True)  # noqa: T201
        self._service = self._start_child("socket service", "skypy.node.socket_process", self._service_said)
        self._service.send(self._settings_for(0))
        self._watch(self._watch_service(self._service))
        for index in range(1, self._settings.workers + 1):
            self._start_worker(index)
        self._launch_start_service()
        code = await self._result
        await self._stop()
        return code

    # -- children --

    def _start_child(
        self, title: str, module: str, said: Callable[[Child, Any], None], arguments: tuple[str, ...] = ()
    ) -> Child:
        return ChildProcess(title, module, arguments, said, self._log.write)

    def _start_worker(self, index: int) -> None:
        assert self._service is not None
        self._last_process_number += 1
        number = self._last_process_number
        title = f"worker {index}"
        said = functools.partial(self._worker_said, number)
        worker = self._start_child(title, "skypy.node.worker_process", said, (title,))
        self._workers[number] = worker
        self._indexes[index] = number
        ours, theirs = self._kernel.lane_pair()
        with ours, theirs:
            self._service.send((JOIN, number), ours.fileno())
            self._service.send((WATCH, number), worker.pidfd)
            worker.send(self._settings_for(number), theirs.fileno())
        self._introduce(number, worker)
        self._watch(self._watch_worker(worker, index, number))

    def _introduce(self, number: int, worker: Child) -> None:
        """Give it a lane to each other worker."""
        for other_number, other in self._workers.items():
            if other is not worker:
                ours, theirs = self._kernel.lane_pair()
                with ours, theirs:
                    worker.send((JOIN, other_number), ours.fileno())
                    other.send((JOIN, number), theirs.fileno())

    def _settings_for(self, number: int) -> tuple[Any, ...]:
        return SETTINGS, number, self._settings.to_plain(), self._started

    def _launch_start_service(self) -> None:
        name, *arguments = self._settings.start.split()
        self._launcher.launch(
            1, name, pack_arguments(arguments, {}), self._start_service_started, self._start_service_failed
        )

    def _start_service_started(self, address: Address) -> None:
        where = f"at {format_address(address)}" if address else "and has exited"
        self._log_line(f"{self._settings.start} started {where}")

    def _start_service_failed(self, key: str, text: str) -> None:
        if key == WORKER_DIED:
            return  # the worker is replaced, and tries again
        if not self._result.done():
            self._complain(f"{self._settings.config_file}: {key}: {text}")
            self._result.set_result(ExitCode.START_SERVICE_FAILED)

    def _tell_worker(self, number: int, message: tuple[Any, ...]) -> None:
        worker = self._workers.get(number)
        if worker is not None:
            worker.send(message)

    def _service_said(self, child: Child, message: Any) -> None:
        child.ready = child.ready or message[0] == READY

    def _worker_said(self, number: int, child: Child, message: Any) -> None:
        kind, *fields = message
        if kind == READY:
            child.ready = True
        elif kind == LAUNCHED:
            self._launcher.launched(*fields)
        elif kind == LAUNCH_FAILED:
            self._launcher.launch_failed(*fields)
        elif kind == ASK:
            self._launcher.asked(number, *fields)
        elif kind == ACTOR_BORN:
            self._launcher.born(*fields)
        elif kind == ACTOR_ENDED:
            self._launcher.gone(*fields)
        elif kind == RESERVATION_UNUSED:
            self._launcher.vacant(number, *fields)
        elif kind == QUERY_PROCESS:
            self._asked_who(child, *fields)
        elif kind == SHUT_DOWN_NODE:
            self._shut_down(*fields)

    def _asked_who(self, child: Child, number: int) -> None:
        if number in self._workers:
            return
        if 1 <= number <= self._last_process_number:
            child.send((DOWN, number, "its process has ended"))
        else:
            child.send((UNKNOWN_PROCESS, number))

    async def _watch_service(self, service: Child) -> None:
        await service.ended
        if not self._result.done():
            self._complain(f"the socket service {service.how_it_ended()}: the node cannot go on without it")
            self._result.set_result(ExitCode.FAILED)

    async def _watch_worker(self, worker: Child, index: int, number: int) -> None:
        await worker.ended
        del self._workers[number]
        how = worker.how_it_ended()
        for other in self._workers.values():
            other.send((DOWN, number, f"its process {how}"))
        if self._result.done():
            return
        had_start_service = index == 1
        if not self._intensity.allows(self._loop.time()):
            self._complain(
                f"{worker.title} {how}, and workers have died more than {RESTARTS} times "
                f"within {RESTART_PERIOD_SECONDS:g} s: the node stops"
            )
            self._result.set_result(ExitCode.FAILED)
            return
        self._log_line(f"{worker.title} {how}; it is replaced")
        self._start_worker(index)
        self._launcher.worker_died(number, how)
        if had_start_service:
            self._launch_start_service()

    def _watch(self, watcher: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(watcher)
        self._watchers.add(task)
        task.add_done_callback(self._watchers.discard)

    # -- the end --

    def _handle_signals(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._loop.add_signal_handler(number, self._asked_to_stop)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN or not self._log.is_standard_error:  # nohup
            self._loop.add_signal_handler(signal.SIGHUP, self._hung_up)

    def _asked_to_stop(self) -> None:
        now = self._loop.time()
        if self._signalled_at is not None and now - self._signalled_at < _SAME_SIGNAL_SECONDS:
            return  # sent to the process and to its group, as timeout(1) does: that is one request
        if self._signalled_at is not None:
            self._kill_all()
        elif not self._result.done():
            self._log_line("stopping; once more ends it at once")
            self._result.set_result(ExitCode.STOPPED)
        self._signalled_at = now

    def _shut_down(self, address: Address) -> None:
        self.stop(f"stopping: {format_address(address)} has asked for it")

    def stop(self, why: str) -> None:
        """End everything in order."""
        if not self._result.done():
            self._log_line(why)
            self._result.set_result(ExitCode.STOPPED)

    def _hung_up(self) -> None:
        """The log was moved away, or the terminal is gone: a node that goes on unseen would keep its ports."""
        if self._log.is_standard_error and os.isatty(2):
            self._asked_to_stop()
        else:
            self._log.reopen()

    def _kill_all(self) -> None:
        """The workers at once; the socket service gets a moment, to tell peers by a reset that bytes are missing."""
        for worker in self._workers.values():
            worker.kill()
        if self._service is not None:
            self._service.send((STOP,))
            self._service.send((STOP_NOW,))
            self._loop.call_later(_MARGIN_SECONDS, self._service.kill)

    async def _stop(self) -> None:
        workers = list(self._workers.values())
        await asyncio.gather(*(self._stop_child(worker) for worker in workers))
        if self._service is not None:
            await self._stop_child(self._service)

    async def _stop_child(self, child: Child) -> None:
        if not child.ended.done():
            child.send((STOP,))
        _, late = await asyncio.wait([child.ended], timeout=self._settings.stop_timeout + _MARGIN_SECONDS)
        if late:
            self._log_line(f"{child.title} did not end within stop_timeout ({self._settings.stop_timeout:g} s): killed")
            child.kill()
            await child.ended

    # -- the log --

    def _log_line(self, text: str) -> None:
        self._log.write(f"[node] {text}".encode())

    def _complain(self, text: str) -> None:
        """Something the user must see, also where the log goes to a file."""
        for line in text.splitlines():
            self._log.write(f"[node] {line}".encode())
        if not self._log.is_standard_error:
            print(f"skypy: {text}", file=sys.stderr, flush=True)  # noqa: T201


def run(settings: Settings, kind: type[NodeProcess] = NodeProcess) -> int:
    """Run a node until it is asked to stop; returns the exit code of `ExitCode`."""
    setproctitle.setproctitle(f"skypy: node {settings.config_file}")
    try:
        log = LogSink(settings.logger)
    except OSError as error:
        print(f"skypy: {settings.config_file}: logger: {error}", file=sys.stderr)  # noqa: T201
        return ExitCode.CONFIG
    try:
        return asyncio.run(_run(settings, log, kind))
    finally:
        log.close()


async def _run(settings: Settings, log: LogSink, kind: type[NodeProcess]) -> ExitCode:
    try:
        return await kind(settings, log).run()
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))  # there is nothing left to stop
