"""The processes that follow one another as the worker with an index, and those that cannot go on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from skypy.core.wire.control_lane import DOWN, STOP_WITHOUT_ACTORS, UNKNOWN_PROCESS
from skypy.node.child import Child
from skypy.node.log.sink import LogSink

START_PATIENCE_SECONDS: Final = 30.0
"""The time for which the start of a worker is tried again while the system has no descriptor, process or memory."""
START_AGAIN_SECONDS: Final = 0.1


class Succession:
    """The places of the workers: each index has one process at a time, and none while its successor cannot start."""

    def __init__(
        self,
        log: LogSink,
        workers: Mapping[int, Child],
        process_numbers: dict[int, int],
        start_worker: Callable[[int, int], None],
        stop_worker: Callable[[Child], None],
        give_up: Callable[[str], None],
    ) -> None:
        """Begin without any process.

        `workers` are those that live, by process number; `process_numbers` are filled in here, by index.
        `start_worker(index, process_number)` raises OSError when the system has no room. `stop_worker(child)` ends one
        in order. `give_up(text)` ends the node.
        """
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._workers = workers
        self._process_numbers = process_numbers
        self._start_worker = start_worker
        self._stop_worker = stop_worker
        self._give_up = give_up
        self._last_process_number = 0
        self._used_up: set[int] = set()
        """The processes that live on until their last actors end, by number."""
        self.over = False
        """True once the node ends: no successor starts any more."""

    def begin(self, index: int) -> None:
        """Start a process for an index that has none. Raises OSError."""
        process_number = self._last_process_number + 1
        self._start_worker(index, process_number)
        self._last_process_number = process_number
        self._process_numbers[index] = process_number
        worker = self._workers[process_number]
        worker.nonsense.add_done_callback(lambda problem: self._distrusted(worker, problem.result()))

    def follow(self, index: int, started: Callable[[], None], since: float | None = None) -> None:
        """Start the next process for an index, and try again while the system has no room for it; then `started()`.

        `since` is the time of the first attempt. The node ends if it stays without the process for too long.
        """
        if self.over:
            return
        try:
            self.begin(index)
        except OSError as error:
            now = self._loop.time()
            if since is None:
                self._log.note(f"worker {index} cannot be started now, which is tried again: {error}")
                since = now
            if now - since < START_PATIENCE_SECONDS:
                self._loop.call_later(START_AGAIN_SECONDS, self.follow, index, started, since)
            else:
                patience = f"{START_PATIENCE_SECONDS:g} s"
                self._give_up(f"worker {index} could not be started within {patience}: the node stops: {error}")
        else:
            if since is not None:
                self._log.note(f"worker {index} is started")
            started()

    def leave(self, index: int, process_number: int) -> bool:
        """Take an index from a process; return False if the process does not have it any more."""
        if self._process_numbers.get(index) != process_number:
            return False
        del self._process_numbers[index]
        return True

    # -- messages of workers --

    def used_up(self, process_number: int, started: Callable[[], None]) -> None:
        """Let another process follow a worker that has given out all its addresses, and ends with its last actor."""
        worker = self._workers.get(process_number)
        index = next((index for index, number in self._process_numbers.items() if number == process_number), 0)
        if worker is not None and index:
            self.leave(index, process_number)
            self._used_up.add(process_number)
            self._log.note(f"{worker.title} has given out all its addresses: another process starts services for it")
            self.follow(index, started)
        self.actor_ended(process_number)

    def actor_ended(self, process_number: int) -> None:
        """Ask a worker that only waits for the end of its actors whether it may end."""
        if process_number in self._used_up and process_number in self._workers:
            self._workers[process_number].send((STOP_WITHOUT_ACTORS,))

    def nonsense(self, process_number: int) -> None:
        """Trust a worker no longer that has sent bytes to another one which are not messages."""
        worker = self._workers.get(process_number)
        if worker is not None:
            worker.distrust("has sent bytes to another worker that are not messages")

    def queried(self, asker: Child, process_number: int) -> None:
        """Tell a worker that there is no process with a number, if there is none."""
        if process_number in self._workers:
            return
        if 1 <= process_number <= self._last_process_number:
            asker.send((DOWN, process_number, "its process has ended"))
        else:
            asker.send((UNKNOWN_PROCESS, process_number))

    def _distrusted(self, worker: Child, problem: str) -> None:
        if not worker.ended.done():
            self._log.note(f"{worker.title} {problem}; it is ended")
            self._stop_worker(worker)
