"""Main of the socket service's process: `python -m skypy.node.socket_process CONTROL_DESCRIPTOR`.

It has no asyncio and no thread. When the node is gone it ends in order, like the workers. It runs no code of users that
could be stuck, so it also makes sure that a stuck worker does not outlive the node.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import signal
from collections.abc import Callable, Sequence
from typing import Any, Final

from skypy.core.errors import MalformedFrame
from skypy.core.log_line import log_line
from skypy.core.wire.control_lane import JOIN, READY, STOP, STOP_NOW, WATCH
from skypy.lane.lane import Lane, LaneEnded
from skypy.net.service import SocketService
from skypy.node.log.reactor_log import ReactorLog
from skypy.node.process import Beginning, be_a_child
from skypy.system.poller import READABLE
from skypy.system.socket_kernel import LINUX, SocketKernel

_LINGER_AT_STOP_SECONDS: Final = 0.2
"""The longest wait, before the node ends, for a peer to close once it has acknowledged everything."""


class SocketProcess:
    """The socket service, and its control lane."""

    def __init__(self, beginning: Beginning, log: Callable[[str], None], kernel: SocketKernel = LINUX) -> None:
        """Start the socket service, and tell the node that it is ready. `log` takes whole lines."""
        self._log = log
        self._kernel = kernel
        self._control = beginning.control
        self._settings = beginning.settings
        self.socket_service = SocketService(self._settings.socket, log, kernel, self._settings.node.spin)
        self._stopping = False
        self._workers: dict[int, int] = {}  # process number → pidfd
        self.socket_service.reactor.watch(self, READABLE)
        self._control.send((READY,))
        self._control.flush()
        self._handle_messages(beginning.messages)

    def fileno(self) -> int:
        """Return the control lane's descriptor, for the reactor."""
        return self._control.fileno()

    def handle(self, events: int) -> None:
        """Handle the messages of the node, or its end."""
        del events
        try:
            messages = self._control.receive()
        except (LaneEnded, MalformedFrame):
            self.socket_service.reactor.ignore(self)
            self._node_is_gone()
            return
        self._handle_messages(messages)

    def _handle_messages(self, messages: Sequence[Any]) -> None:
        for message in messages:
            descriptor = self._control.take_descriptor() if message[0] in (JOIN, WATCH) else None
            if message[0] == STOP:
                self._stop()
            elif message[0] == STOP_NOW:
                self._stop_now(0.0)
            elif descriptor is None:
                text = f"a worker cannot join: message {message[0]} came without its descriptor"
                self._log(log_line("socket service", text))
            elif message[0] == JOIN:
                self._join(descriptor, message[1])
            else:
                self._close_ended_workers()
                self._workers[message[1]] = descriptor

    def _join(self, descriptor: int, process_number: int) -> None:
        """Let a worker join. One for which there is no room ends, because its lane does."""
        socket_ = self._kernel.socket_of(descriptor)
        try:
            self.socket_service.add_lane(Lane(socket_, self._kernel), process_number)
        except (MemoryError, OSError) as error:
            socket_.close()
            self._log(log_line("socket service", f"worker process {process_number} cannot join: {error!r}"))

    @property
    def ended(self) -> bool:
        """True if the process has been asked to stop and everything is delivered."""
        return self._stopping and not self.socket_service.busy

    def run(self) -> None:
        """Turn the reactor until the end."""
        while not self.ended:
            self.socket_service.reactor.turn()

    def fail(self) -> None:
        """End the process after an error in its code: without a node to listen to it can only end."""
        self.socket_service.reactor.ignore(self)
        self._node_is_gone()

    def _stop(self) -> None:
        if not self._stopping:
            self.socket_service.reactor.call_at(self._kernel.now() + self._settings.stop_timeout, self, self._stop_now)
        self._stopping = True
        linger = min(self._settings.socket.linger, _LINGER_AT_STOP_SECONDS)
        self.socket_service.shared.settings = dataclasses.replace(self._settings.socket, linger=linger)

    def _node_is_gone(self) -> None:
        self._stop()
        self.socket_service.reactor.call_at(self._kernel.now() + self._settings.stop_timeout, self, self._kill_workers)

    def _stop_now(self, now: float) -> None:
        """Leave no time to connections that are closing, nor to those that are closed from now on."""
        del now
        self._stopping = True
        self.socket_service.shared.settings = dataclasses.replace(self._settings.socket, linger=0.0, flush_timeout=0.0)
        self.socket_service.end_by_force()

    def _kill_workers(self, now: float) -> None:
        del now
        for pidfd in self._workers.values():
            with contextlib.suppress(OSError):
                self._kernel.signal_process(pidfd, signal.SIGKILL)

    def _close_ended_workers(self) -> None:
        for process_number, pidfd in list(self._workers.items()):
            try:
                self._kernel.signal_process(pidfd, 0)
            except OSError:
                self._kernel.close(self._workers.pop(process_number))


def main() -> None:
    """Serve until the node stops this process or is gone."""
    beginning = be_a_child("socket service")
    log = ReactorLog("socket service")
    process = SocketProcess(beginning, log.write)
    log.write_on(process.socket_service.reactor)
    gc.freeze()  # everything that is loaded now lives as long as the process
    process.run()
    log.close()


if __name__ == "__main__":
    main()
