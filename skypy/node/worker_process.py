"""Main of a worker's process: `python -m skypy.node.worker_process CONTROL_DESCRIPTOR TITLE`."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections.abc import Callable
from typing import Any, Final

from skypy.bus.bus import Bus
from skypy.core.causal.fence import Fence
from skypy.core.errors import ExitedWhileStarting, ServiceError, StartFailed
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
from skypy.system.this_process import exit_without_threads
from skypy.worker.actors.log import set_up_logging
from skypy.worker.actors.scheduler import Scheduler
from skypy.worker.node_link import NodeLink
from skypy.worker.services.failures import address_in_use_hint
from skypy.worker.tasks.loop import new_loop
from skypy.worker.worker import Worker

_log: Final = logging.getLogger("skypy")
_BUS_LINGER_SECONDS: Final = 1.0
_GARBAGE_COLLECTOR_THRESHOLDS: Final = (10_000, 20, 20)
"""Services and messages that wait are not garbage: with Python's own 700, 10, 10 the collector looks at each again and
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
        """Start the worker, and tell the node that it is ready. `ended` is called when the worker has stopped."""
        self._ended = ended
        descriptor = beginning.control.take_descriptor()
        if descriptor is None:
            raise RuntimeError("the node sent no lane to the socket service")
        self._loop = loop
        self._kernel = kernel
        self._control = beginning.control
        self._stopping: asyncio.Task[None] | None = None
        self.exit_status = 0
        """The status with which the process is to end."""
        self._launches: set[asyncio.Task[None]] = set()
        told: dict[int, Callable[..., None]] = {
            JOIN: self._join,
            LAUNCH: self._begin_launch,
            NAMED: self._named,
            DOWN: self._process_died,
            UNKNOWN_PROCESS: self._process_unknown,
            STOP: self._stop,
        }
        self._scheduler = Scheduler(loop, kernel.now, kernel.message_queue(), kernel.messages_per_turn)
        fence = Fence(beginning.process_number)
        self._link = NodeLink(beginning.control, self._scheduler, told, self._stop, fence)
        self._bus = Bus(
            loop, self._received, self._released, self._bus_wants_flush, self._unmet, self._bus_broken, fence
        )
        self.worker = Worker(
            beginning.process_number,
            beginning.settings,
            Lane(kernel.socket_of(descriptor), kernel),
            self._scheduler,
            self._socket_service_gone,
            self._link,
            self._bus.send,
            beginning.node_start,
            fence,
            kernel,
        )
        self._link.send((READY,))
        self._link.handle_all(beginning.messages)

    # -- the bus --

    def _received(self, messages: list[Any], handled: Callable[[], None]) -> None:
        self.worker.from_bus.receive(messages, handled)

    def _released(self, messages: list[Any], handled: Callable[[], None]) -> None:
        self.worker.from_bus.receive_in_turn(messages, handled)

    def _bus_wants_flush(self) -> None:
        self._scheduler.send_last(self._bus.flush)

    def _unmet(self, process_number: int) -> None:
        self._link.send((QUERY_PROCESS, process_number))  # an address may be made up: no process would ever answer

    def _bus_broken(self) -> None:
        """End this process, which is replaced, because another worker has sent bytes that cannot be read."""
        _log.error("another worker has sent bytes that are not messages")
        self.exit_status = 1
        self._stop()

    def _join(self, process_number: int) -> None:
        descriptor = self._control.take_descriptor()
        if descriptor is None:
            _log.error(
                "no descriptor is left for a lane to worker process %d: it cannot be reached from here",
                process_number,
            )
            self._process_died(process_number, "there is no lane to its process")
        else:
            self._bus.join(process_number, Lane(self._kernel.socket_of(descriptor), self._kernel))

    def _process_died(self, process_number: int, reason: str) -> None:
        self._bus.died(process_number)
        self.worker.process_died(process_number, reason)

    def _process_unknown(self, process_number: int) -> None:
        self._bus.unknown(process_number)
        self.worker.process_died(process_number, "there is no such process")

    # -- the node --

    def _named(self, name: str, address: int | None) -> None:
        self.worker.directory.named(name, address)

    def _begin_launch(self, launch_id: int, name: str, packed_arguments: bytes) -> None:
        task = self._loop.create_task(self._launch(launch_id, name, packed_arguments))
        self._launches.add(task)
        task.add_done_callback(self._launches.discard)

    async def _launch(self, launch_id: int, name: str, packed_arguments: bytes) -> None:
        try:
            address = await self.worker.launching.launch(name, packed_arguments)
        except ExitedWhileStarting:  # as skynet's main.lua does once it has started the others
            if self._stopping is None:
                self._link.send((LAUNCHED, launch_id, 0))
        except ServiceError as error:
            cause = error.error if isinstance(error, StartFailed) else error
            key, text = address_in_use_hint(cause, self.worker.settings.env) or ("start", str(error))
            self._link.send((LAUNCH_FAILED, launch_id, key, text))
        else:
            self._link.send((LAUNCHED, launch_id, address))

    def tasks(self) -> list[asyncio.Task[Any]]:
        """Return the tasks that run here, for the testing kit, which may end this process by force."""
        return [*self._launches, *self.worker.tasks()]

    # -- the end --

    def _socket_service_gone(self) -> None:
        """End this process, which is replaced if the node lives: without the socket service it cannot serve."""
        self.exit_status = 1
        self._stop()

    def _stop(self) -> None:
        if self._stopping is None:
            self._stopping = self._loop.create_task(self._run_stop())

    async def _run_stop(self) -> None:
        await self.worker.stop()
        self._scheduler.take_turn()
        await self.worker.sockets.flushed()
        await self._bus.close(_BUS_LINGER_SECONDS)
        self._ended()

    def run(self) -> int:
        """Run the loop until the node stops this process or is gone; return the exit status."""
        while True:
            try:
                self._loop.run_forever()
                return self.exit_status
            except (SystemExit, KeyboardInterrupt):
                continue  # raised by a task of a service: the task has the exception, and it is logged there


def main(kind: type[WorkerProcess] = WorkerProcess) -> None:
    """Run services until the node stops this process or is gone."""
    title = sys.argv[2]
    beginning = be_a_child(title)
    set_up_logging(title)
    loop = new_loop(beginning.settings.node.spin)
    asyncio.set_event_loop(loop)
    process = kind(beginning, loop, loop.stop)
    gc.freeze()  # everything that is loaded now lives as long as the process
    gc.set_threshold(*_GARBAGE_COLLECTOR_THRESHOLDS)
    exit_without_threads(process.run())


if __name__ == "__main__":
    main()
