"""The event loop of a system in memory: several processes on one loop, a clock that jumps, an order by seed.

Whenever nothing can run, everything waits for the clock, and the clock jumps to the next moment at which something is
due. While a thread works, or a library watches a real descriptor, nobody can tell what will come: then real time is
waited for as well.

What the seed permutes is what nobody has promised: which of several processes goes on first, and which of several
descriptors is found ready first. What one process has scheduled runs in the order in which it was scheduled.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import random
import selectors
import socket
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from skypy.system.poller import READABLE, WRITABLE
from skypy.testing.memory.descriptors import FIRST_NUMBER, Readiness
from skypy.testing.memory.process import VirtualProcess, process_of

_CHANGE_ORDER: Final = (0.2, 0.05, 0.01)
"""How often another process gets to be the fastest: one of these for a whole seed, as some races need long delays."""
_ALONE: Final = 0.3
"""How often the fastest one is so fast that nobody else runs as long as it can,"""
_LONGEST_ALONE: Final = 10
"""and for how many iterations of the loop at most: it may never come to an end."""
_HOLD_BACK: Final = 0.15
"""How often a descriptor is found ready later than another."""
_BUSY: Final = 100
_TOO_BUSY: Final = 300_000
"""Who goes on for so many will do so for ever."""
_BUSY_SECONDS: Final = 0.001
"""Somebody who runs for so many iterations and never waits is busy, and time passes while he is."""
_REAL_WAIT_SECONDS: Final = 0.05


class Stuck(AssertionError):
    """Everything waits, and nothing is left that could wake anybody; or it goes on without end."""


class ReadyQueue:
    """The handles that may run: first come, first served within a process; which process goes on is up to the seed."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._change_order = chance.choice(_CHANGE_ORDER)
        self._queues: dict[VirtualProcess | None, deque[asyncio.Handle]] = {}
        self._order: list[VirtualProcess | None] = []
        self.fastest_is_alone = False
        """Whether nobody else runs as long as it can."""
        self._iterations_alone = 0
        self._alone: deque[asyncio.Handle] | None = None
        self.suspended: set[VirtualProcess] = set()
        self.fingerprint = 0
        """Of the order in which processes have run so far."""

    def append(self, handle: asyncio.Handle) -> None:
        """One more; what belongs to a process that has died is dropped."""
        process = process_of(handle._context)  # type: ignore[attr-defined]  # noqa: SLF001
        if process is not None and not process.alive:
            return
        queue = self._queues.get(process)
        if queue is None:
            queue = self._queues[process] = deque()
            self._order.insert(self._chance.randint(0, len(self._order)), process)
        queue.append(handle)

    def begin_iteration(self) -> None:
        """The loop is about to take what is ready now: all of it, or what the fastest process has."""
        self._alone = None
        self._iterations_alone += self.fastest_is_alone
        too_long = self._iterations_alone > _LONGEST_ALONE
        if len(self._order) > 1 and (too_long or self._chance.random() < self._change_order):
            self._chance.shuffle(self._order)
            self.fastest_is_alone = self._chance.random() < _ALONE
            self._iterations_alone = 0

    def popleft(self) -> Any:
        """The one that runs next."""
        if self._alone is not None:
            return self._alone.popleft() if self._alone else _NOTHING
        for process in self._order:
            queue = self._queues[process]
            if queue and (process is None or not process.suspended):
                if process is not None:
                    self.fingerprint = zlib.crc32(process.title.encode(), self.fingerprint)
                if self.fastest_is_alone:
                    self._alone = queue
                return queue.popleft()
        return _NOTHING  # a process has died since they were counted

    def drop(self, process: VirtualProcess) -> None:
        """A process has died."""
        self.suspended.discard(process)
        if self._queues.pop(process, None) is not None:
            self._order.remove(process)
            self._alone = None

    def clear(self) -> None:
        self._queues.clear()
        self._order.clear()

    def __len__(self) -> int:
        return sum(map(len, self._queues.values())) - sum(len(self._queues.get(one, ())) for one in self.suspended)


class _Nothing:
    _cancelled = True


_NOTHING: Final = _Nothing()


class _Selector(selectors.BaseSelector):
    """Descriptors in memory, and real ones in a real selector."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._real = selectors.DefaultSelector()
        self._keys: dict[int, selectors.SelectorKey] = {}
        self._watch = Readiness()
        self.everything_waits: Callable[[float | None], None]
        self.may_wait_for_real: Callable[[], bool]

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        number = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        if number < FIRST_NUMBER:
            return self._real.register(fileobj, events, data)
        if number in self._keys:
            raise KeyError(f"{number} is registered already")
        key = selectors.SelectorKey(fileobj, number, events, data)
        self._watch.add(number, _as_epoll_events(events))
        self._keys[number] = key
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        number = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        if number < FIRST_NUMBER:
            return self._real.unregister(fileobj)
        key = self._keys.pop(number)
        with contextlib.suppress(FileNotFoundError):  # it was closed before
            self._watch.remove(number)
        return key

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        number = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        if number < FIRST_NUMBER:
            return self._real.modify(fileobj, events, data)
        self._watch.change(number, _as_epoll_events(events))
        key = self._keys[number] = selectors.SelectorKey(fileobj, number, events, data)
        return key

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        number = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        return self._real.get_key(fileobj) if number < FIRST_NUMBER else self._keys[number]

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return {**self._keys, **self._real.get_map()}

    @property
    def watches_real(self) -> bool:
        """Whether a library watches real descriptors, besides the loop's own."""
        return len(self._real.get_map()) > 1

    def close(self) -> None:
        self._real.close()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._ready_in_memory() + self._real.select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self.may_wait_for_real():
            return self._real.select(_REAL_WAIT_SECONDS)
        self.everything_waits(timeout)
        return []

    def _ready_in_memory(self) -> list[tuple[selectors.SelectorKey, int]]:
        found = [(self._keys[number], _as_selector_events(events)) for number, events in self._watch.ready()]
        ready = [(key, events & key.events) for key, events in found if events & key.events and not _suspended(key)]
        if len(ready) > 1:
            self._chance.shuffle(ready)
            first, *others = ready
            ready = [first, *(one for one in others if self._chance.random() >= _HOLD_BACK)]
        return ready


def _suspended(key: selectors.SelectorKey) -> bool:
    """Whether the process that waits for a descriptor has been stopped."""
    handle = key.data[0] or key.data[1]
    process = process_of(handle._context)  # noqa: SLF001
    return process is not None and process.suspended


def _as_selector_events(events: int) -> int:
    """What `selectors.EpollSelector` makes of them."""
    reads = selectors.EVENT_READ if events & ~WRITABLE else 0
    writes = selectors.EVENT_WRITE if events & ~READABLE else 0
    return reads | writes


def _as_epoll_events(events: int) -> int:
    reads = READABLE if events & selectors.EVENT_READ else 0
    return reads | (WRITABLE if events & selectors.EVENT_WRITE else 0)


class MemoryLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop, with another clock, another selector and another queue."""

    def __init__(self, chance: random.Random) -> None:
        self._now = 0.0
        self._chance = chance
        selector = _Selector(chance)
        selector.everything_waits = self._everything_waits
        selector.may_wait_for_real = self._may_wait_for_real
        super().__init__(selector)
        self._memory_selector = selector
        self._ready = self._queue = ReadyQueue(chance)
        self._threads = 0
        self._busy = 0
        self._known_threads = set(threading.enumerate())
        self._idle: list[asyncio.Future[None]] = []
        self._until: float | None = None
        self._real_seen = time.monotonic()
        self.autojump = True
        """Whether the clock jumps by itself when everything waits."""
        self.real_limit: float = float("inf")
        """When, on the real clock, a test has lasted too long."""
        self.stuck: Callable[[str], None] | None = None
        """Told why it cannot go on."""

    # -- the clock --

    def time(self) -> float:
        """Seconds on the clock of the test."""
        return self._now

    @property
    def fingerprint(self) -> int:
        """Tells whether two runs have gone the same way: which process ran when, and how often the seed was asked."""
        return zlib.crc32(repr(self._chance.getstate()).encode(), self._queue.fingerprint)

    async def advance(self, seconds: float) -> None:
        """Let so many seconds pass, everything that is due on the way in its order."""
        until = self._now + seconds
        while True:
            await self.wait_idle()
            due = self._next_due()
            if due is None or due > until:
                break
            self._now = max(self._now, due)
            await asyncio.sleep(0)
        self._now = max(self._now, until)

    async def wait_idle(self) -> None:
        """Wait until nothing can run before the clock moves."""
        future = self.create_future()
        self._idle.append(future)
        await future

    def _next_due(self) -> float | None:
        due = [handle.when() for handle in self._scheduled if not handle.cancelled()]
        return min(due, default=None)

    def _everything_waits(self, seconds: float | None) -> None:
        self._busy = 0
        idle = [future for future in self._idle if not future.done()]
        self._idle.clear()
        if idle:
            for future in idle:
                future.set_result(None)
        elif seconds is None or not self.autojump:
            why = "" if seconds is None else f"; the clock does not jump by itself, the next is due in {seconds:g} s"
            self._give_up(f"everything waits, and nothing is left that could wake anybody{why}")
        elif time.monotonic() > self.real_limit:
            self._give_up("it goes on without end: timers run, and what is waited for does not come")
        else:
            due = self._next_due()
            self._now = max(self._now, self._now + seconds if due is None else min(due, self._now + seconds))

    def _give_up(self, why: str) -> None:
        if self.stuck is None:
            raise Stuck(why)
        self.stuck(why)

    # -- what does not happen in memory --

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """As asyncio's; the clock does not jump while the thread works."""
        future = super().run_in_executor(executor, func, *args)
        self._threads += 1
        future.add_done_callback(self._thread_done)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """As asyncio's."""
        del timeout
        self._threads += 1
        try:
            await super().shutdown_default_executor()
        finally:
            self._threads -= 1

    def _thread_done(self, future: asyncio.Future[Any]) -> None:
        del future
        self._threads -= 1

    def _may_wait_for_real(self) -> bool:
        now, before = time.monotonic(), self._real_seen
        self._real_seen = now
        if now > self.real_limit:
            return False
        if self._memory_selector.watches_real:
            self._now += min(now - before, 2 * _REAL_WAIT_SECONDS)
            return True
        return self._threads > 0 or any(
            thread not in self._known_threads and not thread.name.startswith("asyncio_")
            for thread in threading.enumerate()
        )

    def _run_once(self) -> None:
        self._queue.begin_iteration()
        self._busy += not self._queue.fastest_is_alone  # while others wait nobody is busy by himself
        if self._busy > _BUSY:
            self._now += _BUSY_SECONDS
            if self._busy > _TOO_BUSY or time.monotonic() > self.real_limit:
                self._busy = 0
                self._give_up("it goes on without end: something always runs, and what is waited for does not come")
        try:
            super()._run_once()  # type: ignore[misc]
        except (SystemExit, KeyboardInterrupt) as error:
            if not _raised_by_a_task(error):
                raise  # the user's Ctrl-C; what a task raises, the task has

    # -- processes --

    def resume_all(self) -> None:
        """Nobody is suspended any more."""
        for process in list(self._queue.suspended):
            self.resume(process)

    def suspend(self, process: VirtualProcess) -> None:
        """Nothing of it runs until it is resumed."""
        process.suspended = True
        self._queue.suspended.add(process)

    def resume(self, process: VirtualProcess) -> None:
        """It goes on where it was."""
        process.suspended = False
        self._queue.suspended.discard(process)

    def process_died(self, process: VirtualProcess) -> None:
        """Nothing of it runs any more: no step, no `finally`."""
        self._ready.drop(process)
        left = [one for one in self._scheduled if process_of(one._context) is not process]  # type: ignore[has-type]  # noqa: SLF001
        heapq.heapify(left)
        self._scheduled = left

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:
        """Names in memory: localhost is known."""
        if host in ("localhost", b"localhost"):
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
        return socket.getaddrinfo(host, port, flags=socket.AI_NUMERICHOST, type=socket.SOCK_STREAM)


def _raised_by_a_task(error: BaseException) -> bool:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_code.co_name != "_on_sigint"
