"""Main of a worker's process: `python -m skypy.node.worker_process CONTROL_DESCRIPTOR TITLE`."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from skypy.bus.bus import Bus
from skypy.core.causal.fence import Fence
from skypy.core.errors import ExitedWhileStarting, MalformedFrame, NoAddressLeft, StartFailed
from skypy.core.wire.control_lane import (
    DOWN,
    END_LAUNCH,
    JOIN,
    LAUNCH,
    LAUNCH_FAILED,
    LAUNCHED,
    NAMES,
    NONSENSE,
    QUERY_PROCESS,
    READY,
    STOP,
    STOP_WITHOUT_ACTORS,
    UNKNOWN_PROCESS,
)
from skypy.lane.lane import Lane, LaneEnded
from skypy.node.process import Beginning, be_a_child
from skypy.system.forks.child import Forks
from skypy.system.forks.descriptors import maker_of_pair
from skypy.system.forks.pools import be_a_spawned_process, end_pools
from skypy.system.kernel import LINUX, Kernel
from skypy.system.this_process import exit_without_threads
from skypy.worker.actors.ending import NODE_STOPS, WORKER_FAILS
from skypy.worker.actors.log import set_up_logging
from skypy.worker.actors.scheduler import Scheduler
from skypy.worker.actors.tracebacks import is_of_skypy, shortened, text_of
from skypy.worker.forking import Forking
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
        self._context = contextvars.copy_context()  # of no actor
        self._kernel = kernel
        self._control = beginning.control
        self._stopping: asyncio.Task[None] | None = None
        self.exit_status = 0
        """The status with which the process is to end."""
        self._launches: dict[int, asyncio.Task[None]] = {}
        told: dict[int, Callable[..., None]] = {
            JOIN: self._join,
            LAUNCH: self._begin_launch,
            END_LAUNCH: self._end_launch,
            NAMES: self._names_changed,
            DOWN: self._process_died,
            UNKNOWN_PROCESS: self._process_unknown,
            STOP: self._stop,
            STOP_WITHOUT_ACTORS: self._stop_without_actors,
        }
        self._scheduler = Scheduler(loop, kernel.now, kernel.message_queue(), kernel.messages_per_turn)
        fence = Fence(beginning.process_number)
        self._link = NodeLink(beginning.control, self._scheduler, told, self._node_gone, fence)
        self._bus = Bus(
            loop, self._received, self._released, self._bus_wants_flush, self._unmet, self._bus_broken, fence
        )
        self.worker = Worker(
            beginning.process_number,
            beginning.settings,
            Lane(kernel.socket_of(descriptor), kernel),
            self._scheduler,
            self.fail,
            self._link,
            self._bus.send,
            beginning.node_start,
            fence,
            kernel,
        )
        self._link.send((READY,))
        self._link.received(beginning.messages)

    # -- the bus --

    def _received(self, messages: list[Any], handled: Callable[[], None]) -> None:
        self.worker.from_bus.receive(messages, handled)

    def _released(self, messages: list[Any], handled: Callable[[], None]) -> None:
        self.worker.from_bus.receive_in_turn(messages, handled)

    def _bus_wants_flush(self) -> None:
        self._scheduler.send_last(self._bus.flush)

    def _unmet(self, process_number: int) -> None:
        self._link.send((QUERY_PROCESS, process_number))  # an address may be made up: no process would ever answer

    def _bus_broken(self, process_number: int) -> None:
        """Tell the node that another worker has sent bytes that are not messages: the node ends that worker."""
        self._link.send((NONSENSE, process_number))

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
        self.worker.reservations.drop(process_number)
        self._bus.died(process_number, partial(self.worker.process_died, process_number, reason))

    def _process_unknown(self, process_number: int) -> None:
        self._bus.unknown(process_number)
        self.worker.process_unknown(process_number)

    # -- the node --

    def _names_changed(self, number: int, changes: dict[str, int | None]) -> None:
        self.worker.directory.changed(number, changes)

    def _begin_launch(self, launch_id: int, name: str, packed_arguments: bytes) -> None:
        task = self._loop.create_task(self._launch(launch_id, name, packed_arguments))
        self._launches[launch_id] = task
        task.add_done_callback(partial(self._launch_has_ended, launch_id))

    def _end_launch(self, launch_id: int) -> None:
        if launch_id in self._launches:
            self._launches[launch_id].cancel()

    def _launch_has_ended(self, launch_id: int, task: asyncio.Task[None]) -> None:
        del self._launches[launch_id]
        if task.cancelled() and self._stopping is None:
            self._link.send((LAUNCH_FAILED, launch_id, "start", "the start was given up"))

    async def _launch(self, launch_id: int, name: str, packed_arguments: bytes) -> None:
        try:
            address = await self.worker.launching.launch(name, packed_arguments)
        except ExitedWhileStarting:  # as skynet's main.lua does once it has started the others
            if self._stopping is None:
                self._link.send((LAUNCHED, launch_id, 0))
        except NoAddressLeft as error:
            self._link.send((LAUNCH_FAILED, launch_id, NoAddressLeft.__name__, str(error)))
        except asyncio.CancelledError:
            raise  # this process ends, or the start was given up
        except BaseException as error:  # whatever it is: the node waits for the answer
            if self.exit_status:
                return  # the end of this process is the answer: it was not the service that has failed
            cause = error.error if isinstance(error, StartFailed) else error
            key, text = address_in_use_hint(cause, self.worker.settings.env) or ("start", text_of(error))
            self._link.send((LAUNCH_FAILED, launch_id, key, shortened(text)))
        else:
            self._link.send((LAUNCHED, launch_id, address))

    def tasks(self) -> list[asyncio.Task[Any]]:
        """Return the tasks that run here, for the testing kit, which may end this process by force."""
        return [*self._launches.values(), *self.worker.tasks()]

    def watch_forks(self, title: str) -> None:
        """Let each child that a service forks give up what is this worker's."""
        forking = Forking(self.worker, self._bus.abandon)
        Forks(title, maker_of_pair(self._control.fileno()), forking.before, forking.in_child)

    # -- the end --

    def fail(self) -> None:
        """End this process, which is replaced if the node lives, because it cannot go on.

        It ends in order as far as that goes: at once when it fails again, and within `stop_timeout` in any case.
        """
        if self.exit_status:
            self._ended()
            return
        self.exit_status = 1
        try:
            self._loop.call_later(self.worker.settings.stop_timeout, self._ended)
            self._stop()
        except MemoryError:
            self._ended()

    def _node_gone(self, error: LaneEnded | MalformedFrame) -> None:
        if isinstance(error, MalformedFrame):
            _log.error("the node has sent bytes that are not messages: %s", error)
            self.fail()
        else:
            self._stop()

    def _stop_without_actors(self) -> None:
        if not self.worker.actors:
            self._stop()

    def _stop(self) -> None:
        if self._stopping is None:
            # The message that has led here may have been met by a verb, in the context of an actor, which ends now.
            self._stopping = self._loop.create_task(self._run_stop(), context=self._context.copy())

    async def _run_stop(self) -> None:
        try:
            await self.worker.stop(WORKER_FAILS if self.exit_status else NODE_STOPS)
            self._scheduler.take_turn()
            await self.worker.sockets.flushed()
            await self._bus.close(_BUS_LINGER_SECONDS)
        except Exception:
            self.exit_status = 1
            _log.exception("this process has not ended in order")
        finally:
            self._ended()

    def met(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Handle an exception that has come out of a callback of the loop, or of a task that no other task awaits.

        One of a service is logged. One of skypy's own code, a MemoryError above all, has interrupted a turn, whose
        messages are lost: this process cannot go on.
        """
        error = context.get("exception")
        is_fatal = "handle" in context and error is not None and is_of_skypy(error)
        try:
            loop.default_exception_handler(context)
        finally:
            if is_fatal:
                self.fail()

    def run(self) -> int:
        """Run the loop until the node stops this process or is gone; return the exit status."""
        while True:
            try:
                self._loop.run_forever()
                return self.exit_status
            except (SystemExit, KeyboardInterrupt) as error:
                self.worker.root.end_if_forked(error)
                continue  # raised by a task of a service: the task has the exception, and it is logged there


def main(kind: type[WorkerProcess] = WorkerProcess) -> None:
    """Run services until the node stops this process or is gone."""
    title = sys.argv[2]
    beginning = be_a_child(title)
    handler = set_up_logging(title)
    loop = new_loop(beginning.settings.node.spin)
    handler.write_on(loop)
    asyncio.set_event_loop(loop)
    process = kind(beginning, loop, loop.stop)
    loop.set_exception_handler(process.met)
    process.watch_forks(title)
    gc.freeze()  # everything that is loaded now lives as long as the process
    gc.set_threshold(*_GARBAGE_COLLECTOR_THRESHOLDS)
    status = process.run()
    end_pools()
    exit_without_threads(status)


if __name__ == "__main__":
    main()
elif __name__ == "__mp_main__":  # multiprocessing loads the main module of its parent in each process that it spawns
    be_a_spawned_process()
