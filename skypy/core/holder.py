"""Who has a connection, as far as the connection knows: a worker, or nobody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from skypy.core.messages import Message


class Holder(Protocol):
    """A worker, as far as connections know one."""

    @property
    def number(self) -> int:
        """Its process number."""

    @property
    def emit(self) -> Callable[[Message], None]:
        """Says something to it."""


class _Nobody:
    """Holds what no worker has any more."""

    number = 0

    @staticmethod
    def emit(message: Message) -> None:
        """Nobody listens."""


NOBODY: Final = _Nobody()
