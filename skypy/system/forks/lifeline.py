"""The tie of a child to the life of its worker."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
from typing import Final

_SET_SIGNAL: Final = 10  # F_SETSIG of asm-generic/fcntl.h, which the fcntl module does not name


class Lifeline:
    """A pipe whose writing end the worker alone holds: the kernel kills each forked child when that end is closed.

    Processes of a pool wait for jobs from each other's copies of a pipe, so without this they would wait for ever after
    the death of the worker. The signal that prctl sends at the death of a parent would not do: it comes as soon as the
    *thread* ends that has forked. exec closes the pipe, so the programs that a service starts are free.
    """

    def __init__(self) -> None:
        self._watched, held = os.pipe()
        self._held: int | None = held

    def hold(self) -> None:
        """Tie this process, a child by fork of the worker or of another child, to the life of the worker."""
        if self._held is not None:
            os.close(self._held)
            self._held = None
        inherited = self._watched
        # The kernel sends the signal to one process for each opening of the pipe, so a child opens it anew.
        with contextlib.suppress(OSError):  # there is no /proc, or no descriptor is left: the child is not tied
            self._watched = os.open(f"/proc/self/fd/{inherited}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            os.close(inherited)
            kill_at_the_end_of(self._watched)


def kill_at_the_end_of(pipe: int) -> None:
    """Have the kernel kill this process when the last writing end of a pipe has been closed.

    `pipe` is a reading end that no other process watches, and to which nothing is written.
    """
    fcntl.fcntl(pipe, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(pipe, _SET_SIGNAL, signal.SIGKILL)
    flags = fcntl.fcntl(pipe, fcntl.F_GETFL)
    fcntl.fcntl(pipe, fcntl.F_SETFL, flags | os.O_ASYNC | os.O_NONBLOCK)
    with contextlib.suppress(BlockingIOError):
        if not os.read(pipe, 1):  # it has ended already
            os.kill(os.getpid(), signal.SIGKILL)
