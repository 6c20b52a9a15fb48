"""Calls in flight: each ends once, by the answer of the very actor that was asked, by a death, or by giving up."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from skypy.core.address import Address, process_number

W = TypeVar("W")


class Sessions(Generic[W]):
    """Session number → (whom it asks, what waits). A number is given out once in a process's life."""

    __slots__ = ("_numbers", "_waiting", "late")

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._waiting: dict[int, tuple[Address, W]] = {}
        self.late = 0
        """Answers that came when nobody waited any more, or from somebody who was not asked."""

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, session: int) -> bool:
        return session in self._waiting

    def open(self, peer: Address, waits: W) -> int:
        """A new session with `peer`."""
        session = next(self._numbers)
        self._waiting[session] = (peer, waits)
        return session

    def close(self, session: int) -> None:
        """Give up: an answer will be late. Harmless when it has been answered."""
        self._waiting.pop(session, None)

    def answered(self, session: int, peer: Address) -> W | None:
        """What waits for this answer, once; None (and counted) when nobody does."""
        known = self._waiting.get(session)
        if known is None or known[0] != peer:
            self.late += 1
            return None
        del self._waiting[session]
        return known[1]

    def of_process(self, number: int) -> Iterator[tuple[Address, W]]:
        """End every session with a process that has died: whom each asked, and what waits."""
        return self._taken(lambda peer: process_number(peer) == number)

    def _taken(self, concerns: Callable[[Address], bool]) -> Iterator[tuple[Address, W]]:
        for session in [session for session, (peer, _) in self._waiting.items() if concerns(peer)]:
            known = self._waiting.pop(session, None)
            if known is not None:  # not given up by who was told before
                yield known
