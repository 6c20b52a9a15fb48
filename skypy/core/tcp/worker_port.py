"""A worker, as the connections in the socket service know it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from skypy.core.wire.socket_lane import Message


class Reader(Protocol):
    """A socket that waits for room on the lane of its owner's worker."""

    def update_interest(self) -> None:
        """Watch again for everything that the connection can use now."""


class WorkerPort(Protocol):
    """The worker that has a connection, wants it, or writes to it."""

    @property
    def process_number(self) -> int:
        """The number of the worker's process; 0 for NOBODY."""

    @property
    def send(self) -> Callable[[Message], None]:
        """The function that sends a report to the worker."""

    @property
    def send_with_descriptor(self) -> Callable[[Message, int], None]:
        """The function that sends a report together with a duplicate of a descriptor."""

    @property
    def full(self) -> bool:
        """True while the lane is over its mark: nothing more is to be read for the worker."""

    def stall(self, reader: Reader) -> None:
        """Resume `reader` when the lane has room again."""


class _Nobody:
    """The worker of a connection that no worker has any more: reports to it are dropped."""

    process_number = 0
    full = False

    @staticmethod
    def send(message: Message) -> None:
        """Drop a report."""

    @staticmethod
    def send_with_descriptor(message: Message, descriptor: int) -> None:
        """Drop a report; the descriptor is not duplicated."""

    @staticmethod
    def stall(reader: Reader) -> None:
        """Do nothing: the lane is never full."""


NOBODY: Final = _Nobody()
