"""The event loop of the socket service: descriptors, deadlines, and the work at the end of a turn.

A turn waits for readiness, lets every ready handler work, looks at the deadlines that have passed, runs the end-of-turn
hook (which flushes the lanes) and only then closes the descriptors that were given up in it. So within a turn no number
can mean two sockets, and an event for a socket that was freed a moment ago finds no handler.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import socket
import traceback
from collections.abc import Callable
from typing import Any, Protocol

from skypy.core.log_line import log_line
from skypy.core.timing.spinning import SpinSetting
from skypy.system.socket_kernel import LINUX, SocketKernel


class Handler(Protocol):
    """An object that waits for readiness of its descriptor."""

    def fileno(self) -> int:
        """Return the descriptor that is watched."""

    def handle(self, events: int) -> None:
        """Work: the descriptor is ready for `events`."""

    def fail(self) -> None:
        """End after the handler's code has raised, which is logged already, so that nothing else is touched."""


class Timer:
    """A call that is due at some time; `Reactor.cancel` takes it back."""

    __slots__ = ("due",)

    def __init__(self, handler: Handler, look: Callable[[float], None]) -> None:
        self.due: tuple[Handler, Callable[[float], None]] | None = (handler, look)
        """None after the call was made or taken back: a timer keeps nothing alive without need."""


class Reactor:
    """One epoll loop."""

    def __init__(
        self,
        end_of_turn: Callable[[], None],
        log: Callable[[str], None],
        kernel: SocketKernel = LINUX,
        spin: SpinSetting = 0,
    ) -> None:
        self._log = log
        self._poller = kernel.poller(spin)
        self.now = kernel.now
        self._handlers: dict[int, Handler] = {}
        self._end_of_turn = end_of_turn
        self._retired: list[socket.SocketType] = []
        self._timers: list[tuple[float, int, Timer]] = []  # a heap, and the first one is due
        self._cancelled = 0  # of the timers in the heap
        self._order = itertools.count()

    def watch(self, handler: Handler, events: int) -> None:
        """Report `events` (and hang-ups, always) of this handler's descriptor; again with others to change them.

        Handlers remember the events that they are watched for: each call here takes one of the kernel.
        """
        descriptor = handler.fileno()
        if descriptor in self._handlers:
            self._poller.change(descriptor, events)
        else:
            self._poller.add(descriptor, events)
            self._handlers[descriptor] = handler

    def ignore(self, handler: Handler) -> None:
        """Report nothing more of this handler's descriptor, not even hang-ups."""
        descriptor = handler.fileno()
        if self._handlers.pop(descriptor, None) is not None:
            self._poller.remove(descriptor)

    def retire(self, handler: Handler, socket_: socket.SocketType) -> None:
        """Stop watching, and close the socket at the end of the turn."""
        self.ignore(handler)
        self._retired.append(socket_)

    def call_at(self, when: float, handler: Handler, look: Callable[[float], None]) -> Timer:
        """Call `look(now)` once the monotonic clock has passed `when`."""
        timer = Timer(handler, look)
        heapq.heappush(self._timers, (when, next(self._order), timer))
        return timer

    def cancel(self, timer: Timer) -> None:
        """Take a call back; harmless after it was made."""
        if timer.due is not None:
            timer.due = None
            self._cancelled += 1
            self._drop_cancelled()

    def _drop_cancelled(self) -> None:
        """Remove the cancelled timers at the front, and all of them once they are the majority: each costs the same."""
        timers = self._timers
        while timers and timers[0][2].due is None:
            heapq.heappop(timers)
            self._cancelled -= 1
        if self._cancelled > len(timers) // 2:
            self._timers = [entry for entry in timers if entry[2].due is not None]
            heapq.heapify(self._timers)
            self._cancelled = 0

    def guarded(self, handler: Handler, function: Callable[..., None], *arguments: Any) -> None:
        """Call a function of a handler; an exception ends this handler and nothing else."""
        try:
            function(*arguments)
        except Exception as error:
            self.failed(handler, error)

    def turn(self, longest_wait: float | None = None) -> None:
        """Run one turn; waits at most `longest_wait` seconds (None: until something happens)."""
        for descriptor, events in self._poller.wait(self._wait_seconds(longest_wait)):
            handler = self._handlers.get(descriptor)
            if handler is not None:
                try:
                    handler.handle(events)
                except Exception as error:
                    self.failed(handler, error)
        if self._timers:
            self._call_due(self.now())
        self._end_of_turn()
        while self._retired:
            self._retired.pop().close()

    @property
    def next_deadline(self) -> float | None:
        """The time at which the next timer is due, on the monotonic clock; None without timers."""
        return self._timers[0][0] if self._timers else None

    def close(self) -> None:
        """Close epoll; the descriptors belong to their handlers."""
        self._poller.close()

    def _call_due(self, now: float) -> None:
        while self._timers and self._timers[0][0] <= now:
            timer = heapq.heappop(self._timers)[2]
            due, timer.due = timer.due, None
            assert due is not None  # the first one is due
            self._drop_cancelled()
            handler, look = due
            self.guarded(handler, look, now)

    def failed(self, handler: Handler, error: Exception) -> None:
        """End a handler whose code has raised, and nothing else."""
        with contextlib.suppress(MemoryError):  # a line about it needs memory as well
            problem = "no memory is left" if isinstance(error, MemoryError) else "a bug in skypy, please report it"
            text = "".join(traceback.format_exception(error)).rstrip()
            self._log(log_line("socket service", f"{problem}:\n{text}"))
        handler.fail()

    def _wait_seconds(self, longest_wait: float | None) -> float | None:
        if not self._timers:
            return longest_wait
        until = max(0.0, self._timers[0][0] - self.now())
        return until if longest_wait is None else min(until, longest_wait)
