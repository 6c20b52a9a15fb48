"""The event loop of the socket service: descriptors, deadlines, and what is left for the end of a turn.

A turn waits for readiness, lets every ready handler work, looks at the deadlines that have passed, runs the end-of-turn
hook (which flushes the lanes) and only then closes the descriptors that were given up in it: so within a turn no number
can mean two sockets, and an event for one that was freed a moment ago finds no handler.
"""

from __future__ import annotations

import heapq
import itertools
import socket
import traceback
from collections.abc import Callable
from typing import Any, Protocol

from skypy.net.kernel import LINUX, SocketKernel


class Handler(Protocol):
    """What waits for readiness."""

    def fileno(self) -> int:
        """The descriptor that is watched."""

    def handle(self, events: int) -> None:
        """It is ready for `events`."""

    def fail(self) -> None:
        """Its code has raised, which is logged already: end it, so that nothing else is touched."""


class Reactor:
    """One epoll loop."""

    def __init__(
        self,
        end_of_turn: Callable[[], None],
        log: Callable[[str], None],
        kernel: SocketKernel = LINUX,
        spin_seconds: float = 0.0,
    ) -> None:
        self._log = log
        self._poller = kernel.poller(spin_seconds)
        self.now = kernel.now
        self._handlers: dict[int, Handler] = {}
        self._interest: dict[int, int] = {}
        self._end_of_turn = end_of_turn
        self._retired: list[socket.socket] = []
        self._deadlines: list[tuple[float, int, Handler, Callable[[float], None]]] = []
        self._order = itertools.count()

    def watch(self, handler: Handler, events: int) -> None:
        """Report `events` (and hang-ups, always) of this handler's descriptor; again with others to change them."""
        descriptor = handler.fileno()
        known = self._interest.get(descriptor)
        if known is None:
            self._poller.add(descriptor, events)
            self._handlers[descriptor] = handler
        elif known != events:
            self._poller.change(descriptor, events)
        self._interest[descriptor] = events

    def ignore(self, handler: Handler) -> None:
        """Report nothing more of it, not even hang-ups."""
        descriptor = handler.fileno()
        if self._interest.pop(descriptor, None) is not None:
            self._poller.remove(descriptor)
            del self._handlers[descriptor]

    def retire(self, handler: Handler, end: socket.socket) -> None:
        """Stop watching, and close the socket at the end of the turn."""
        self.ignore(handler)
        self._retired.append(end)

    def call_at(self, when: float, handler: Handler, look: Callable[[float], None]) -> None:
        """Call `look(now)` once the monotonic clock has passed `when`. It cannot be taken back: let `look` check."""
        heapq.heappush(self._deadlines, (when, next(self._order), handler, look))

    def guarded(self, handler: Handler, function: Callable[..., None], *arguments: Any) -> None:
        """Call a function of a handler; what it raises ends this handler and nothing else."""
        try:
            function(*arguments)
        except Exception:
            self._failed(handler)

    def turn(self, longest_wait: float | None = None) -> None:
        """One turn; waits at most `longest_wait` seconds (None: until something happens)."""
        for descriptor, events in self._poller.wait(self._wait_seconds(longest_wait)):
            handler = self._handlers.get(descriptor)
            if handler is not None:
                try:
                    handler.handle(events)
                except Exception:
                    self._failed(handler)
        if self._deadlines:
            now = self.now()
            while self._deadlines and self._deadlines[0][0] <= now:
                _, _, handler, look = heapq.heappop(self._deadlines)
                self.guarded(handler, look, now)
        self._end_of_turn()
        while self._retired:
            self._retired.pop().close()

    @property
    def next_deadline(self) -> float | None:
        """When the next deadline is due, on the monotonic clock."""
        return self._deadlines[0][0] if self._deadlines else None

    def close(self) -> None:
        """Closes epoll; the descriptors belong to their handlers."""
        self._poller.close()

    def _failed(self, handler: Handler) -> None:
        self._log(f"[socket service] a bug in skypy, please report it:\n{traceback.format_exc().rstrip()}")
        handler.fail()

    def _wait_seconds(self, longest_wait: float | None) -> float | None:
        if not self._deadlines:
            return longest_wait
        until = max(0.0, self._deadlines[0][0] - self.now())
        return until if longest_wait is None else min(until, longest_wait)
