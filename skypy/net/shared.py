"""The things that all sockets of the socket service share."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable

from skypy.core.address import format_address
from skypy.core.log_line import log_line
from skypy.core.settings import SocketSettings
from skypy.core.tcp.connection import Connection
from skypy.net.reactor import Reactor
from skypy.system.socket_kernel import SocketKernel


class Spare:
    """A descriptor kept in reserve: given up for a moment, it lets a client be accepted and turned away.

    Without it a process at its limit could neither accept the clients that wait nor stop being told of them.
    """

    def __init__(self, kernel: SocketKernel) -> None:
        """Reserve a descriptor. Raises OSError."""
        self._kernel = kernel
        self._descriptor: int | None = kernel.reserve()
        self.turned_away = 0
        """The number of clients that were turned away."""

    def turn_away(self, listening: socket.socket) -> bool:
        """Accept one client and close it. Return False if no descriptor could be reserved for the next one.

        Between the two calls another process may have taken the place that was given up, where the whole machine has no
        descriptor left (ENFILE).
        """
        if self._descriptor is not None:
            self._kernel.close(self._descriptor)
            self._descriptor = None
            with contextlib.suppress(OSError):
                listening.accept()[0].close()
                self.turned_away += 1
        return self.take_back()

    def take_back(self) -> bool:
        """Reserve a descriptor again, unless there is one. Return False if none is free."""
        if self._descriptor is None:
            with contextlib.suppress(OSError):
                self._descriptor = self._kernel.reserve()
        return self._descriptor is not None


class Shared:
    """The record that is handed to every socket: the loop, the kernel, the settings, and the way back."""

    __slots__ = ("_log", "crowded", "freed", "kernel", "reactor", "settings", "spare")

    def __init__(
        self,
        reactor: Reactor,
        kernel: SocketKernel,
        settings: SocketSettings,
        log: Callable[[str], None],
        *,
        crowded: Callable[[], bool],
        freed: Callable[[Connection], None],
    ) -> None:
        self.reactor = reactor
        self.kernel = kernel
        self.settings = settings
        """The deadlines are replaced while the node stops."""
        self.spare = Spare(kernel)
        self.crowded = crowded
        """A function that returns True if there are as many sockets as this process may hold."""
        self.freed = freed
        """A function that is called when a connection has ended."""
        self._log = log

    def log_for(self, owner: int, text: str) -> None:
        """Log a line for the actor that owned a socket, by its address."""
        self._log(log_line(format_address(owner), text))
