"""Main of the socket service's process: `python -m skypy.node.socket_process CONTROL_DESCRIPTOR`.

It has no asyncio and no thread. When the node is gone it ends in order, like the workers; it runs no code of
users that could be stuck, so it also sees to it that a stuck worker does not outlive the node.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import os
import signal
from collections.abc import Callable, Sequence
from typing import Any, Final

from skypy.core.wire.codec import MalformedFrame
from skypy.core.wire.control_lane import JOIN, READY, STOP, STOP_NOW, WATCH
from skypy.lane.lane import Lane, LaneEnded
from skypy.net.service import SocketService
from skypy.node.process import Beginning, be_a_child
from skypy.system.poller import READABLE
from skypy.system.socket_kernel import LINUX, SocketKernel

_LINGER_AT_STOP_SECONDS: Final = 0.2
"""A peer that has acknowledged everything need not close as well before the node may end."""


class SocketProcess:
    """The service, and its control lane."""

    def __init__(self, beginning: Beginning, log: Callable[[str], None], kernel: SocketKernel = LINUX) -> None:
        self._log = log
        self._kernel = kernel
        self._control = beginning.control
        self._settings = beginning.settings
        self._service = SocketService(self._settings.socket, log, kernel)
        self._stopping = False
        self._workers: dict[int, int] = {}  # process number → pidfd
        self._service.reactor.watch(self, READABLE)
        self._control.send((READY,))
        self._control.flush()
        self._do(beginning.messages)

    def fileno(self) -> int:
        """The control lane's descriptor."""
        return self._control.fileno()

    def handle(self, events: int) -> None:
        """The node has said something, or is gone."""
        del events
        try:
            messages = self._control.receive()
        except (LaneEnded, MalformedFrame):
            self._service.reactor.ignore(self)
            self._node_is_gone()
            return
        self._do(messages)

    def _do(self, messages: Sequence[Any]) -> None:
        for message in messages:
            descriptor = self._control.take_descriptor() if message[0] in (JOIN, WATCH) else None
            if message[0] == STOP:
                self._stop()
            elif message[0] == STOP_NOW:
                self._stop_now(0.0)
            elif descriptor is None:
                self._log(f"[socket service] a worker cannot join: message {message[0]} came without its descriptor")
            elif message[0] == JOIN:
                self._service.add_lane(Lane(self._kernel.socket_of(descriptor), self._kernel), message[1])
            else:
                self._forget_ended_workers()
                self._workers[message[1]] = descriptor

    @property
    def service(self) -> SocketService:
        """The service."""
        return self._service

    @property
    def ended(self) -> bool:
        """Whether it was asked to stop and everything is delivered."""
        return self._stopping and not self._service.busy

    def run(self) -> None:
        """Turn until the end."""
        while not self.ended:
            self._service.reactor.turn()

    def fail(self) -> None:
        """Its code has raised: without a node to listen to, this process ends."""
        self._service.reactor.ignore(self)
        self._node_is_gone()

    def _stop(self) -> None:
        if not self._stopping:
            self._service.reactor.call_at(self._kernel.now() + self._settings.stop_timeout, self, self._stop_now)
        self._stopping = True
        linger = min(self._settings.socket.linger, _LINGER_AT_STOP_SECONDS)
        self._service.shared.settings = dataclasses.replace(self._settings.socket, linger=linger)

    def _node_is_gone(self) -> None:
        self._stop()
        self._service.reactor.call_at(self._kernel.now() + self._settings.stop_timeout, self, self._kill_workers)

    def _stop_now(self, now: float) -> None:
        """No time is left for what is being closed, and none for what is closed from now on."""
        del now
        self._stopping = True
        self._service.shared.settings = dataclasses.replace(self._settings.socket, linger=0.0, flush_timeout=0.0)
        self._service.end_by_force()

    def _kill_workers(self, now: float) -> None:
        del now
        for pidfd in self._workers.values():
            with contextlib.suppress(OSError):
                self._kernel.signal_process(pidfd, signal.SIGKILL)

    def _forget_ended_workers(self) -> None:
        for number, pidfd in list(self._workers.items()):
            try:
                self._kernel.signal_process(pidfd, 0)
            except OSError:
                self._kernel.close(self._workers.pop(number))


def log(line: str) -> None:
    """One line for the node's log."""
    with contextlib.suppress(OSError):  # the node is gone
        os.write(2, line.encode("utf-8", "backslashreplace") + b"\n")


def main() -> None:
    """Serve until the node says stop or is gone."""
    beginning = be_a_child("socket service")
    process = SocketProcess(beginning, log)
    gc.freeze()  # what is loaded now lives as long as the process
    process.run()


if __name__ == "__main__":
    main()
