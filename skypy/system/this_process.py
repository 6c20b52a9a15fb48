"""The running process: its title, its signals and its end."""

from __future__ import annotations

import atexit
import os
import signal
import sys
from typing import Final, NoReturn

import setproctitle

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
SIGNALS_FOR_THE_NODE: Final = (*STOP_SIGNALS, signal.SIGHUP)
"""The signals that the node reacts to, and its children do not."""
MEANINGLESS_SIGNALS: Final = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGVTALRM, signal.SIGPROF)
"""Signals that would end a process that expects none of them, and that are sent to a node by mistake alone."""

_LAST_STANDARD_DESCRIPTOR: Final = 2


def set_title(title: str) -> None:
    """Set the name of this process that `ps` shows: "skypy: TITLE"."""
    setproctitle.setproctitle(f"skypy: {title}")


def leave_signals_to_the_node() -> None:
    """Let the signals that stop a node do nothing here: the node alone orders the end of its children.

    A terminal and a service manager send such signals to the whole group. They get a handler here rather than being
    ignored, because programs that a service starts would inherit that.
    """
    for number in SIGNALS_FOR_THE_NODE:
        signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS_FOR_THE_NODE)


def hide_from_programs(descriptor: int) -> None:
    """Close a descriptor in programs that this process starts: they would hold it for as long as they run.

    Python makes its descriptors so; one that the process was started with is not.
    """
    os.set_inheritable(descriptor, False)


def block_stop_signals() -> None:
    """Hold back the signals that stop a node, which is ending already."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)


def hold_standard_descriptors() -> None:
    """Open /dev/null for each of the descriptors 0, 1 and 2 that is closed, so that no other file gets its number."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _LAST_STANDARD_DESCRIPTOR:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


def hold_back_signals() -> None:
    """Leave the signals of this process to its other threads."""
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())


def ignores_hang_up() -> bool:
    """Return True if SIGHUP is ignored, as under nohup."""
    return signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def exit_without_threads(status: int) -> NoReturn:
    """End this process after its exit functions, without waiting for threads, which may hang in a name look-up."""
    atexit._run_exitfuncs()  # noqa: SLF001 - _exit leaves them out
    sys.stdout.flush()
    os._exit(status)
