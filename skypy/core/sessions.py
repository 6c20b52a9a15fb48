"""Calls in flight. Each ends once: by the answer of the actor that was asked, by its death, or by giving up."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Generic, TypeVar

from skypy.core.address import Address, process_number_of

W = TypeVar("W")


class Sessions(Generic[W]):
    """The calls in flight to other workers: for each session number, the actor that was asked and the caller's wait.

    A number is given out once in a process's life.
    """

    __slots__ = ("_numbers", "_waiting", "late")

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._waiting: dict[int, tuple[Address, W]] = {}
        self.late = 0
        """The number of answers that came too late, or from an actor that was not asked."""

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, session: int) -> bool:
        return session in self._waiting

    def open(self, peer: Address, waits: W) -> int:
        """Return the number of a new session with the actor `peer`, for the wait `waits`."""
        session = next(self._numbers)
        self._waiting[session] = (peer, waits)
        return session

    def close(self, session: int) -> None:
        """Give up: an answer will be late. Does nothing when the session has been answered."""
        self._waiting.pop(session, None)

    def answered(self, session: int, peer: Address) -> W | None:
        """End a session and return the wait for its answer. Without such a wait count it as late and return None."""
        known = self._waiting.get(session)
        if known is None or known[0] != peer:
            self.late += 1
            return None
        del self._waiting[session]
        return known[1]

    def of_process(self, process_number: int) -> Iterator[tuple[Address, W]]:
        """End every session with a process that has died, and yield the actor that was asked and the wait of each."""
        for session in [
            session for session, (peer, _) in self._waiting.items() if process_number_of(peer) == process_number
        ]:
            known = self._waiting.pop(session, None)
            if known is not None:  # else a task that was told before has given it up
                yield known
