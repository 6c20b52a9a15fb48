"""Input of busy connections, whose reading is lent to this worker: it comes from the kernel, not over the lane."""

from __future__ import annotations

from skypy.system.kernel import Kernel
from skypy.system.poller import READABLE
from skypy.worker.actors.scheduler import Scheduler
from skypy.worker.sockets.stream_socket import StreamSocket


class DirectInput:
    """The connections that this worker reads by itself, with an epoll of their own: all that are ready share a turn.

    A lease returns its reading for many reasons and does not know of this class, so a connection is not dropped at that
    moment. It is dropped at its next event, when it says that the reading is no longer lent, and in any case before its
    descriptor is closed. The latter is essential: epoll follows the open description, of which the socket service has a
    descriptor too, so the connection would be reported for ever, under a number that is soon another connection's.
    """

    def __init__(self, kernel: Kernel, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._poller = kernel.poller()
        self._sockets: dict[int, StreamSocket] = {}
        scheduler.loop.add_reader(self._poller.fileno(), self._ready)

    def watch(self, socket: StreamSocket) -> None:
        """Read a connection whenever there is input. Harmless when it has not been dropped since it was lent before."""
        descriptor = socket.descriptor
        assert descriptor is not None
        if descriptor not in self._sockets:
            self._sockets[descriptor] = socket
            self._poller.add(descriptor, READABLE)

    def ignore(self, socket: StreamSocket) -> None:
        """Drop a connection whose descriptor is still open. Harmless when it is not watched."""
        descriptor = socket.descriptor
        if descriptor is not None and self._sockets.pop(descriptor, None) is not None:
            self._poller.remove(descriptor)

    def abandon(self) -> None:
        """Close this process's copy of the epoll in a forked child."""
        self._poller.abandon()

    def _ready(self) -> None:
        self._scheduler.handle_all(self._take_input, self._poller.wait(0))

    def _take_input(self, event: tuple[int, int]) -> None:
        socket = self._sockets.get(event[0])  # None if it was dropped a moment ago
        if socket is not None and not socket.take_input():
            self.ignore(socket)
