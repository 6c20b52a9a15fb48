"""Input of busy sockets, whose reading the socket service has lent to this worker: it does not come over the lane."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skypy.system.kernel import Kernel
from skypy.system.poller import READABLE
from skypy.worker.actors.scheduler import Scheduler

if TYPE_CHECKING:
    from skypy.worker.sockets.stream_socket import StreamSocket


class DirectInput:
    """The sockets that this worker reads by itself, with an epoll of their own: all that are ready share a turn."""

    def __init__(self, kernel: Kernel, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._poller = kernel.poller()
        self._sockets: dict[int, StreamSocket] = {}
        scheduler.loop.add_reader(self._poller.fileno(), self._ready)

    def watch(self, socket: StreamSocket) -> None:
        """Read it whenever there is input."""
        assert socket.descriptor is not None
        self._sockets[socket.descriptor] = socket
        self._poller.add(socket.descriptor, READABLE)

    def ignore(self, socket: StreamSocket) -> None:
        """Read it no more. It must still be open: epoll follows the description, which the service has as well."""
        assert socket.descriptor is not None
        self._poller.remove(socket.descriptor)
        del self._sockets[socket.descriptor]

    def _ready(self) -> None:
        scheduler = self._scheduler
        sockets = self._sockets
        scheduler.begin_turn()
        left = iter(self._poller.wait(0))
        while True:
            try:
                for descriptor, _ in left:
                    socket = sockets.get(descriptor)  # else it was given up a moment ago
                    if socket is not None:
                        socket.take_input()
                        if scheduler.wakeups or scheduler.forks:
                            scheduler.settle()
                break
            except (SystemExit, KeyboardInterrupt):
                continue  # raised by a task's step; the task has it, and whoever looks after the task logs it
        scheduler.end_turn()
