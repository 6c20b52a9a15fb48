"""The clock of a system in memory."""

from __future__ import annotations

from skypy.testing.memory.loop import MemoryLoop


class Clock:
    """A clock that jumps to the next moment at which something is due, whenever everything waits."""

    def __init__(self, loop: MemoryLoop) -> None:
        self._loop = loop

    @property
    def now(self) -> float:
        """Seconds since the test began."""
        return self._loop.time()

    @property
    def autojump(self) -> bool:
        """True if the clock jumps by itself; set it to False to move the clock by hand."""
        return self._loop.autojump

    @autojump.setter
    def autojump(self, value: bool) -> None:
        self._loop.autojump = value

    async def advance(self, seconds: float) -> None:
        """Let seconds pass; everything that is due meanwhile happens in its order."""
        await self._loop.advance(seconds)
