"""A child by fork: what it gives up before its own code runs, and how it ends."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Final, NoReturn

from skypy.system.forks.descriptors import close_descriptors_of_skypy
from skypy.system.forks.lifeline import Lifeline
from skypy.system.this_process import set_title

_HELD_SIGNALS: Final = (signal.SIGTERM,)
"""The signals that end a child, but not a worker. multiprocessing ends its processes by SIGTERM."""


class Forks:
    """The forks of a worker's process: a child gives up everything that is skypy's before its own code runs."""

    def __init__(
        self, title: str, node_process_id: int, before: Callable[[], None], give_up: Callable[[], None]
    ) -> None:
        """Watch for forks from now on, in this process and its children.

        `before()` is called in the thread that is about to fork, `give_up()` in the first child, and not in the
        children of that.
        """
        self._title = title
        self._node_process_id = node_process_id
        self._give_up: Callable[[], None] | None = give_up
        self._before = before
        self._lifeline = Lifeline()
        self._masks = threading.local()
        """The signals that the forking thread had blocked."""
        os.register_at_fork(
            before=self._hold_signals, after_in_parent=self._free_signals, after_in_child=self._in_child
        )

    def _hold_signals(self) -> None:
        """Begin a fork: a SIGTERM that comes to the child too early is not lost in the worker's handler."""
        self._masks.before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_SIGNALS)
        self._before()

    def _free_signals(self) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._masks.before)

    def _in_child(self) -> None:
        give_up, self._give_up = self._give_up, None
        try:
            if give_up is not None:
                give_up()
                _be_an_ordinary_process(self._title)
        finally:
            try:
                close_descriptors_of_skypy(self._node_process_id)
            finally:
                self._lifeline.hold()
                self._free_signals()


def _be_an_ordinary_process(title: str) -> None:
    """Undo the rest of what belongs to the worker: the end of a child is to be its own."""
    set_title(f"forked by {title}")
    signal.set_wakeup_fd(-1)
    for number in _HELD_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    atexit._clear()  # noqa: SLF001 - the child may register functions of its own


def exit_forked_child(status: int) -> NoReturn:
    """End this process after the exit functions that it has registered itself, without waiting for threads."""
    atexit._run_exitfuncs()  # noqa: SLF001 - _exit leaves them out
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # the node is gone, or the child has closed the stream
            stream.flush()
    os._exit(status)


def watch_thread(ended: Callable[[BaseException | None], object]) -> None:
    """Call `ended(error)` when this thread, which has forked and is no worker's, has done its job.

    The job is one for a ThreadPoolExecutor, for which the thread would do other jobs of the parent, and then wait for
    ever; or it is the thread's only one, which Python would end with status 0 after an exception.
    """
    job = _job_of_thread()
    if job is not None:
        job._condition = threading.Condition()  # noqa: SLF001 - another thread may have held the old one
        job.add_done_callback(lambda job: ended(job.exception()))
        return
    thread_id = threading.get_ident()
    hook = threading.excepthook

    def raised(arguments: threading.ExceptHookArgs) -> None:
        if threading.get_ident() == thread_id:
            ended(arguments.exc_value)
        hook(arguments)

    threading.excepthook = raised


def _job_of_thread() -> Any:
    """Return the future of the job that this thread does for a ThreadPoolExecutor, or None."""
    threads: Any = sys.modules.get("concurrent.futures.thread")
    frame: FrameType | None = sys._getframe()  # noqa: SLF001 - the one way to find the job
    while threads is not None and frame is not None:
        if frame.f_code is threads._WorkItem.run.__code__:  # noqa: SLF001
            return frame.f_locals["self"].future
        frame = frame.f_back
    return None
