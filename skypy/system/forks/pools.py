"""The end of processes that multiprocessing has started: of pools, managers, and single ones."""

from __future__ import annotations

import signal
import sys
from threading import Thread
from typing import Any, Final

from skypy.system.forks.lifeline import kill_at_the_end_of

_NOTICE_SECONDS: Final = 0.5
"""The time for processes to end because they are told to, then by SIGTERM, then by SIGKILL: 0.5 s each at most."""


def end_pools() -> None:
    """End the processes of multiprocessing, in at most 1.5 s.

    Python would let an executor finish all jobs, and wait for other processes without a limit. No code of users is left
    here that could take the results. Idle pools end at once, because they are told to.
    """
    multiprocessing: Any = sys.modules.get("multiprocessing.process")
    if multiprocessing is None or "multiprocessing.util" not in sys.modules:
        return
    # In a thread, since each step waits for processes that may be stuck. It is a daemon: it holds nothing up.
    telling = Thread(target=_tell_pools, name="the end of pools", daemon=True)
    telling.start()
    telling.join(_NOTICE_SECONDS)
    for force in ("terminate", "kill"):
        if not telling.is_alive():
            return
        for process in multiprocessing.active_children():
            getattr(process, force)()
        telling.join(_NOTICE_SECONDS)


def be_a_spawned_process() -> None:
    """Set up a process that multiprocessing has spawned for a worker: it ends when that ends, and not before.

    The signals of a terminal to the whole group are the node's business. SIGTERM is not: pools end their processes so.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    # Both are called once the parent is known: the first in a child of a fork server, the second in a spawned one.
    utilities: Any = sys.modules["multiprocessing.util"]
    utilities.register_after_fork(_tie_to_parent, _tie_to_parent)
    contexts: Any = sys.modules["multiprocessing.context"]
    contexts.SpawnProcess._after_fork = staticmethod(_tie_to_parent)  # noqa: SLF001


def _tie_to_parent(_: object = None) -> None:
    processes: Any = sys.modules["multiprocessing.process"]
    kill_at_the_end_of(processes.parent_process().sentinel)


def _tell_pools() -> None:
    """Do as Python at its end: executors first, then the finalizers of pools and managers, then the other processes."""
    executors: Any = sys.modules.get("concurrent.futures.process")
    if executors is not None:
        executors._python_exit()  # noqa: SLF001 - without that of thread pools, which may hang in a name look-up
    utilities: Any = sys.modules["multiprocessing.util"]
    utilities._exit_function()  # noqa: SLF001 - registered with atexit, where a second call does nothing
