"""A lane that an asyncio loop watches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from skypy.core.errors import MalformedFrame
from skypy.lane.lane import Lane, LaneEnded


class LoopLane:
    """A lane on an asyncio loop: received batches go to a callback, and unsent output leaves as soon as there is room.

    A lane ends when the other process closes it or sends bytes that are not a batch. Both cases are handled alike: the
    lane is closed, which also tells the other process, and then `ended` is called, once. After that, messages are
    dropped.
    """

    __slots__ = (
        "_descriptor",
        "_ended",
        "_flush_lane",
        "_lane",
        "_loop",
        "_receive",
        "_received",
        "_room",
        "closed",
        "send",
        "send_all",
        "send_with_descriptor",
        "take_descriptor",
        "writing",
    )

    def __init__(
        self,
        lane: Lane,
        loop: asyncio.AbstractEventLoop,
        received: Callable[[list[Any]], object],
        ended: Callable[[LaneEnded | MalformedFrame], object],
        room: Callable[[], object] | None = None,
    ) -> None:
        """Watch `lane`, which belongs to this object from now on.

        `received(messages)` gets each batch that is not empty. `room()` is called when a lane that was full can take
        more, and calls `flush`; None: `flush` itself is called.
        """
        self._lane = lane
        self._loop = loop
        self._received = received
        self._ended = ended
        self._room = room or self.flush
        self._descriptor = lane.fileno()
        self._receive = lane.receive
        self._flush_lane = lane.flush
        self.closed = False
        self.writing = False
        """True while there is unsent output, so that the loop watches for room."""
        self.send = lane.send
        self.send_all = lane.send_all
        self.send_with_descriptor = lane.send_with_descriptor
        self.take_descriptor = lane.take_descriptor
        loop.add_reader(self._descriptor, self.read)

    @property
    def idle(self) -> bool:
        """True if nothing waits to be sent."""
        return self._lane.idle

    def flush(self) -> None:
        """Send as much as the lane takes now; the rest follows when there is room."""
        if self._flush_lane() == self.writing:
            self.writing = not self.writing
            if self.writing:
                self._loop.add_writer(self._descriptor, self._room)
            else:
                self._loop.remove_writer(self._descriptor)

    def read(self) -> bool:
        """Pass the messages that have arrived to `received`; return False if there are none, or the lane has ended."""
        try:
            messages = self._receive()
        except (LaneEnded, MalformedFrame) as error:
            self._end(error)
            return False
        except BaseException:  # MemoryError: bytes are lost, and what follows could not be read
            self.close()
            raise
        if not messages:
            return False
        self._received(messages)
        return True

    def receive_rest(self) -> list[Any]:
        """Return all messages that are left of a process that has died, and close the lane; `ended` is not called."""
        rest = [] if self.closed else self._lane.receive_rest()
        self.close()
        return rest

    def receive(self) -> list[Any]:
        """Return the messages that have arrived, for a caller that blocks the loop; none once the lane has ended.

        The loop calls `ended` afterwards.
        """
        try:
            return self._receive()
        except (LaneEnded, MalformedFrame) as error:
            self._end_later(error)
            return []
        except BaseException:
            self._end_later(LaneEnded())
            raise

    def _end_later(self, error: LaneEnded | MalformedFrame) -> None:
        if not self.closed:
            self.close()
            self._loop.call_soon(self._ended, error)

    def _end(self, error: LaneEnded | MalformedFrame) -> None:
        if not self.closed:
            self.close()
            self._ended(error)

    def close(self) -> None:
        """Stop watching the lane and close it; a second call does nothing."""
        if not self.closed:
            self.closed = True
            self.writing = False
            self._loop.remove_reader(self._descriptor)
            self._loop.remove_writer(self._descriptor)
            self._lane.close()

    def abandon(self) -> None:
        """Close this process's copy in a forked child; the loop, which is the parent's, is left alone."""
        self.closed = True
        self._lane.close()
