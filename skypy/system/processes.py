"""The start and the end of other processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import ClassVar, Final

from skypy.system.this_process import SIGNALS_FOR_THE_NODE

_PIPE_READ_BYTES: Final = 65536


class StartedProcess:
    """A process that runs `python -m MODULE ARGUMENT...`, started with exec; its output comes through a pipe."""

    not_waited_for: ClassVar[set[int]] = set()
    """The process ids of those that have not been waited for: nothing else may take their exit statuses."""

    def __init__(self, module: str, arguments: Sequence[str], inherited: Sequence[int]) -> None:
        """Start the process, which keeps the descriptors `inherited` under their numbers. Raises OSError."""
        self.output, output = os.pipe()
        # Signals to the group wait until the child has its own handlers; its mask is inherited.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS_FOR_THE_NODE)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=inherited,
            )
        except BaseException:
            os.close(self.output)
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS_FOR_THE_NODE)
            os.close(output)
        self.not_waited_for.add(self._process.pid)
        os.set_blocking(self.output, False)
        try:
            self.pidfd = os.pidfd_open(self._process.pid)
            """Readable once the process has ended."""
        except OSError:  # the process cannot be watched
            self._process.kill()
            self._process.wait()
            os.close(self.output)
            raise

    def read_output(self) -> bytes | None:
        """Return output that is there, b"" at its end, None if there is none now."""
        try:
            return os.read(self.output, _PIPE_READ_BYTES)
        except BlockingIOError:
            return None

    def kill(self) -> None:
        """Kill the process, by its pidfd: a process id could mean another process by now. Raises ProcessLookupError."""
        signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    def wait(self) -> int:
        """Wait until the process has ended; return its code as in subprocess: negative for a signal."""
        code = self._process.wait()
        self.not_waited_for.discard(self._process.pid)
        return code

    def close(self) -> None:
        """Close the descriptors of a process that has ended."""
        os.close(self.output)
        os.close(self.pidfd)


def reap_orphans() -> bool:
    """Reap the processes that have ended and that this one has not started.

    The first process of a container inherits every process whose parent has ended; so does a subreaper. Return True if
    a process that this one has started stands before others: once it is waited for, there may be more.
    """
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return False
        if ended is None:
            return False
        if ended.si_pid in StartedProcess.not_waited_for:
            return True
        os.waitpid(ended.si_pid, 0)


def describe_end(code: int) -> str:
    """Return in words how a process has ended, from its code as in subprocess."""
    if code >= 0:
        return f"ended with exit status {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else "unknown"
    hint = "; the kernel may have run out of memory" if -code == signal.SIGKILL else ""
    return f"was ended by signal {-code} ({name}{hint})"
