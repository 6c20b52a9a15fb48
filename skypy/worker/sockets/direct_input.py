"""Input of busy sockets, whose reading the socket service has lent to this worker: it does not come over the lane."""

from __future__ import annotations

from typing import Protocol

from skypy.system.kernel import Kernel
from skypy.system.poller import READABLE
from skypy.worker.actors.scheduler import Scheduler


class _Readable(Protocol):
    """A socket with input of its own."""

    descriptor: int | None

    def take_input(self) -> None:
        """Read what the kernel has."""


class DirectInput:
    """The sockets that this worker reads by itself, with an epoll of their own: all that are ready share a turn."""

    def __init__(self, kernel: Kernel, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._poller = kernel.poller()
        self._sockets: dict[int, _Readable] = {}
        scheduler.loop.add_reader(self._poller.fileno(), self._ready)

    def watch(self, socket: _Readable) -> None:
        """Read it whenever there is input."""
        assert socket.descriptor is not None
        self._sockets[socket.descriptor] = socket
        self._poller.add(socket.descriptor, READABLE)

    def ignore(self, socket: _Readable) -> None:
        """Read it no more. It must still be open: epoll follows the description, which the service has as well."""
        assert socket.descriptor is not None
        self._poller.remove(socket.descriptor)
        del self._sockets[socket.descriptor]

    def _ready(self) -> None:
        self._scheduler.handle_all(self._take_input, self._poller.wait(0))

    def _take_input(self, event: tuple[int, int]) -> None:
        socket = self._sockets.get(event[0])  # None if it was given up a moment ago
        if socket is not None:
            socket.take_input()
