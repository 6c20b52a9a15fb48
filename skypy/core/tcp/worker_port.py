"""Who has a connection, as far as the connection knows: a worker, or nobody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from skypy.core.wire.socket_lane import Message


class WorkerPort(Protocol):
    """A worker, as far as connections know one."""

    @property
    def number(self) -> int:
        """Its process number."""

    @property
    def send(self) -> Callable[[Message], None]:
        """Says something to it."""


class _Nobody:
    """Holds what no worker has any more."""

    number = 0

    @staticmethod
    def send(message: Message) -> None:
        """Nobody listens."""


NOBODY: Final = _Nobody()
