"""Main of a worker's process: `python -m skypy.node.worker_process CONTROL_DESCRIPTOR TITLE`."""

from __future__ import annotations

import asyncio
import atexit
import gc
import os
import socket
import sys
from collections.abc import Sequence
from typing import Any

from skypy.core.codec import MalformedFrame
from skypy.core.control import LAUNCH, LAUNCH_FAILED, LAUNCHED, READY, STOP
from skypy.core.errors import ServiceError
from skypy.lane import Lane, LaneEnded
from skypy.node.process import Beginning, be_a_child
from skypy.worker.log import set_up_logging
from skypy.worker.worker import ExitedWhileStarting, StartFailed, Worker


class WorkerProcess:
    """A worker, and its control lane."""

    def __init__(self, beginning: Beginning, loop: asyncio.AbstractEventLoop) -> None:
        control = beginning.control
        descriptor = control.take_descriptor()
        if descriptor is None:
            raise RuntimeError("the node sent no lane to the socket service")
        self._control = control
        self._loop = loop
        self._stopping: asyncio.Task[None] | None = None
        self._exit_status = 0
        lane = Lane(socket.socket(fileno=descriptor))
        self.worker = Worker(beginning.process_number, beginning.settings, lane, loop, self._service_gone)
        self._tasks: set[asyncio.Task[None]] = set()
        loop.add_reader(control.fileno(), self._control_readable)
        self._say((READY,))
        self._do(beginning.messages)

    def _control_readable(self) -> None:
        try:
            messages = self._control.receive()
        except (LaneEnded, MalformedFrame):
            self._loop.remove_reader(self._control.fileno())
            self._stop()
            return
        self._do(messages)

    def _do(self, messages: Sequence[Any]) -> None:
        for message in messages:
            if message[0] == LAUNCH:
                task = self._loop.create_task(self._launch(*message[1:]))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            elif message[0] == STOP:
                self._stop()

    async def _launch(self, name: str, arguments: Sequence[Any]) -> None:
        try:
            address = await self.worker.launch(name, arguments)
        except ExitedWhileStarting:  # as skynet's main.lua does once it has started the others
            self._say((LAUNCHED, 0))
        except ServiceError as error:
            cause = error.error if isinstance(error, StartFailed) else error
            key, text = self.worker.address_in_use_hint(cause) or ("start", str(error))
            self._say((LAUNCH_FAILED, key, text))
        else:
            self._say((LAUNCHED, address))

    def _say(self, message: tuple[Any, ...]) -> None:
        self._control.send(message)
        self._control.flush()

    def _service_gone(self) -> None:
        """Without the socket service nothing can be served: this process ends, and is replaced if the node lives."""
        self._exit_status = 1
        self._stop()

    def _stop(self) -> None:
        if self._stopping is None:
            self._stopping = self._loop.create_task(self._run_stop())

    async def _run_stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await self.worker.stop()
        self.worker.scheduler.end_turn()
        await self.worker.sockets.flushed()
        self._loop.stop()

    def run(self) -> int:
        """Run the loop until the node says stop or is gone; returns the exit status."""
        while True:
            try:
                self._loop.run_forever()
                return self._exit_status
            except (SystemExit, KeyboardInterrupt):
                continue  # raised by a task of a service: the task has it, and whoever looks after the task logs it


def main() -> None:
    """Run services until the node says stop or is gone."""
    title = sys.argv[2]
    beginning = be_a_child(title)
    set_up_logging(title)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    process = WorkerProcess(beginning, loop)
    gc.freeze()  # what is loaded now lives as long as the process
    status = process.run()
    atexit._run_exitfuncs()  # noqa: SLF001 - what _exit leaves out
    sys.stdout.flush()
    os._exit(status)  # without waiting for threads of services: a name look-up or to_thread may take its time


if __name__ == "__main__":
    main()
