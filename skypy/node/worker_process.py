"""Main of a worker's process: `python -m skypy.node.worker_process CONTROL_DESCRIPTOR TITLE`."""

from __future__ import annotations

import asyncio
import atexit
import gc
import logging
import os
import sys
from collections.abc import Callable
from typing import Any

from skypy.bus.bus import Bus
from skypy.core.errors import ServiceError
from skypy.core.wire.control_lane import (
    DOWN,
    JOIN,
    LAUNCH,
    LAUNCH_FAILED,
    LAUNCHED,
    NAMED,
    QUERY_PROCESS,
    READY,
    STOP,
    UNKNOWN_PROCESS,
)
from skypy.lane.lane import Lane
from skypy.node.process import Beginning, be_a_child
from skypy.system.kernel import LINUX, Kernel
from skypy.worker.actors.log import set_up_logging
from skypy.worker.actors.scheduler import Scheduler
from skypy.worker.node_link import NodeLink
from skypy.worker.services.failures import ExitedWhileStarting, StartFailed, address_in_use_hint
from skypy.worker.tasks.loop import new_loop
from skypy.worker.worker import Worker

_log = logging.getLogger("skypy")
_BUS_LINGER_SECONDS = 1.0
_GARBAGE_COLLECTOR_THRESHOLDS = (10_000, 20, 20)
"""Services and messages that wait are no garbage: with Python's own 700, 10, 10 the collector looks at each again and
again, which takes half of the time of starting services."""


class WorkerProcess:
    """A worker between its node, the bus and the socket service."""

    def __init__(
        self,
        beginning: Beginning,
        loop: asyncio.AbstractEventLoop,
        ended: Callable[[], object],
        kernel: Kernel = LINUX,
    ) -> None:
        """`ended` is called when it has stopped."""
        self._ended = ended
        descriptor = beginning.control.take_descriptor()
        if descriptor is None:
            raise RuntimeError("the node sent no lane to the socket service")
        self._loop = loop
        self._kernel = kernel
        self._control = beginning.control
        self._stopping: asyncio.Task[None] | None = None
        self.exit_status = 0
        """How the process is to end."""
        self._launches: set[asyncio.Task[None]] = set()
        told: dict[int, Callable[..., None]] = {
            LAUNCH: self._launch_told,
            STOP: self._stop,
            DOWN: self._process_died,
            NAMED: self._named,
            UNKNOWN_PROCESS: self._unborn,
            JOIN: self._join,
        }
        self._scheduler = Scheduler(loop, kernel.now, kernel.message_queue(), kernel.messages_per_turn)
        self._link = NodeLink(beginning.control, self._scheduler, told, self._stop)
        self._bus = Bus(loop, self._received, self._posted, self._unmet, self._bus_broken)
        self.worker = Worker(
            beginning.process_number,
            beginning.settings,
            Lane(kernel.socket_of(descriptor), kernel),
            self._scheduler,
            self._service_gone,
            self._link,
            self._bus.send,
            beginning.node_start,
            kernel,
        )
        self._link.send((READY,))
        self._link.handle_all(beginning.messages)

    # -- the bus --

    def _received(self, messages: list[Any], handled: Callable[[], None]) -> None:
        self.worker.from_bus.receive(messages, handled)

    def _posted(self) -> None:
        self._scheduler.send_last(self._bus.flush)

    def _unmet(self, number: int) -> None:
        self._link.send((QUERY_PROCESS, number))  # an address may be made up: then nobody would ever answer

    def _bus_broken(self) -> None:
        """What another worker has sent cannot be read: this process ends, and is replaced if the node lives."""
        _log.error("another worker has sent what no worker sends")
        self.exit_status = 1
        self._stop()

    def _join(self, number: int) -> None:
        descriptor = self._control.take_descriptor()
        if descriptor is None:
            _log.error("no descriptor is left for a lane to worker process %d: nobody here will ever reach it", number)
            self._process_died(number, "there is no lane to its process")
        else:
            self._bus.join(number, Lane(self._kernel.socket_of(descriptor), self._kernel))

    def _process_died(self, number: int, reason: str) -> None:
        self._bus.died(number)
        self.worker.process_died(number, reason)

    def _unborn(self, number: int) -> None:
        self._bus.unborn(number)
        self.worker.process_died(number, "there is no such process")

    # -- the node --

    def _named(self, name: str, address: int | None) -> None:
        self.worker.directory.named(name, address)

    def _launch_told(self, launch: int, name: str, packed_arguments: bytes) -> None:
        task = self._loop.create_task(self._launch(launch, name, packed_arguments))
        self._launches.add(task)
        task.add_done_callback(self._launches.discard)

    async def _launch(self, launch: int, name: str, packed_arguments: bytes) -> None:
        try:
            address = await self.worker.launching.launch(name, packed_arguments)
        except ExitedWhileStarting:  # as skynet's main.lua does once it has started the others
            if self._stopping is None:
                self._link.send((LAUNCHED, launch, 0))
        except ServiceError as error:
            cause = error.error if isinstance(error, StartFailed) else error
            key, text = address_in_use_hint(cause, self.worker.settings.env) or ("start", str(error))
            self._link.send((LAUNCH_FAILED, launch, key, text))
        else:
            self._link.send((LAUNCHED, launch, address))

    def tasks(self) -> list[asyncio.Task[Any]]:
        """What runs here, for who ends this process by force."""
        return [*self._launches, *self.worker.tasks()]

    def _service_gone(self) -> None:
        """Without the socket service nothing can be served: this process ends, and is replaced if the node lives."""
        self.exit_status = 1
        self._stop()

    def _stop(self) -> None:
        if self._stopping is None:
            self._stopping = self._loop.create_task(self._run_stop())

    async def _run_stop(self) -> None:
        for task in self._launches:
            task.cancel()
        await self.worker.stop()
        self._scheduler.take_turn()
        await self.worker.sockets.flushed()
        await self._bus.close(_BUS_LINGER_SECONDS)
        self._ended()

    def run(self) -> int:
        """Run the loop until the node says stop or is gone; returns the exit status."""
        while True:
            try:
                self._loop.run_forever()
                return self.exit_status
            except (SystemExit, KeyboardInterrupt):
                continue  # raised by a task of a service: the task has it, and whoever looks after the task logs it


def main(kind: type[WorkerProcess] = WorkerProcess) -> None:
    """Run services until the node says stop or is gone."""
    title = sys.argv[2]
    beginning = be_a_child(title)
    set_up_logging(title)
    loop = new_loop(beginning.settings.socket.spin)
    asyncio.set_event_loop(loop)
    process = kind(beginning, loop, loop.stop)
    gc.freeze()  # what is loaded now lives as long as the process
    gc.set_threshold(*_GARBAGE_COLLECTOR_THRESHOLDS)
    status = process.run()
    atexit._run_exitfuncs()  # noqa: SLF001 - what _exit leaves out
    sys.stdout.flush()
    os._exit(status)  # without waiting for threads of services: a name look-up or to_thread may take its time


if __name__ == "__main__":
    main()
