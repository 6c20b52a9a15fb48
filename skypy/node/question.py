"""A question of a worker (ASK), and its answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from skypy.core.wire.control_lane import ANSWER, REFUSAL

Send: TypeAlias = Callable[[int, tuple[Any, ...]], None]
"""A function that sends a message to the worker with a process number."""


class Question:
    """A question that a worker has asked, and to which it waits for the answer."""

    __slots__ = ("_send", "process_number", "ticket")

    def __init__(self, send: Send, process_number: int, ticket: int) -> None:
        self._send = send
        self.ticket = ticket
        self.process_number = process_number
        """The process number of the worker that asks."""

    def answer(self, value: Any) -> None:
        """Send the answer."""
        self._send(self.process_number, (ANSWER, self.ticket, value))

    def refuse(self, error: str, text: str) -> None:
        """Send an error, by the name of its class, in place of the answer."""
        self._send(self.process_number, (REFUSAL, self.ticket, error, text))
