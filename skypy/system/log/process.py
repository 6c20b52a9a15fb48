"""A process that writes the log to a disk.

A thread that waits for a disk which does not answer cannot be ended by any signal, and neither can its process. So the
node leaves these calls to a process of their own: that one may stay until the disk answers, and the node can end.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import struct
from typing import Final

from skypy.system.log.file import LogFile
from skypy.system.this_process import SIGNALS_FOR_THE_NODE, set_title

_REOPEN: Final = b"R"
_WRITE: Final = b"W"
_LONGEST_WRITE_BYTES: Final = 65536
_FIRST_FREE_DESCRIPTOR: Final = 3
_ANSWER: Final = struct.Struct("iii")  # errno, bytes written, 1 if the file ends in a torn line
_FAREWELL_MILLISECONDS: Final = 1000


def open_log(path: str) -> LogFile:
    """Open a file to append to it; one on a disk gets a process. Raises OSError.

    This process must have no second thread yet.
    """
    file = LogFile(path)
    if file.is_on_a_disk:
        with contextlib.suppress(OSError):  # there may be no room for another process
            return LogProcess(path, file)
    return file


class LogProcess(LogFile):
    """A file whose calls are made in another process; if that one ends too early, they are made here."""

    def __init__(self, path: str, file: LogFile) -> None:
        """Start the process, which takes over `file`. Raises OSError."""
        self._path = path
        self.torn = file.torn
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process_id = os.fork()
            if process_id == 0:
                try:
                    self._socket.close()
                    _serve(file, theirs)
                finally:
                    os._exit(0)
        file.close()
        self._process = os.pidfd_open(process_id)  # the node reaps it, and its id may be another's then
        self._successor: LogFile | None = None

    def reopen(self) -> None:
        """Go on in a new file after the old one was moved away. Raises OSError, and goes on in the old one."""
        answer = self._ask(_REOPEN)
        if answer is None:
            file = self._here()
            file.reopen()
            self.torn = file.torn
        else:
            self.torn = bool(answer[1])

    def write(self, piece: bytes) -> int:
        """Write the beginning of a piece as soon as there is room; return how many bytes. Raises OSError."""
        answer = self._ask(_WRITE + piece[:_LONGEST_WRITE_BYTES])
        return self._here().write(piece) if answer is None else answer[0]

    def close(self) -> None:
        """Close the file, and let the process end."""
        if self._successor is not None:
            self._successor.close()
            return
        self._socket.close()
        poll = select.poll()
        poll.register(self._process, select.POLLIN)
        if poll.poll(_FAREWELL_MILLISECONDS):
            self._reap()
        os.close(self._process)

    def _ask(self, request: bytes) -> tuple[int, int] | None:
        """Return the process's answer, None if it has ended."""
        if self._successor is not None:
            return None
        try:
            self._socket.send(request)
            answer = self._socket.recv(_ANSWER.size)
        except ConnectionError:
            return None
        if not answer:
            return None
        error, *values = _ANSWER.unpack(answer)
        if error:
            raise OSError(error, os.strerror(error), self._path)
        return values[0], values[1]

    def _here(self) -> LogFile:
        if self._successor is None:
            self._successor = LogFile(self._path)
            self._socket.close()
            self._reap()
            os.close(self._process)
        return self._successor

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PIDFD, self._process, os.WEXITED | os.WNOHANG)


def _keep(*descriptors: int) -> None:
    """Close every descriptor but these, and hold the standard ones by /dev/null."""
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(_FIRST_FREE_DESCRIPTOR):
        if number not in descriptors:
            os.dup2(null, number)
    begin = _FIRST_FREE_DESCRIPTOR
    for number in sorted(descriptors):
        os.closerange(begin, number)
        begin = max(begin, number + 1)
    os.closerange(begin, os.sysconf("SC_OPEN_MAX"))


def _serve(file: LogFile, node: socket.socket) -> None:
    """Make calls until the node is gone."""
    set_title("log")
    for number in SIGNALS_FOR_THE_NODE:
        signal.signal(number, signal.SIG_IGN)
    _keep(file.descriptor, node.fileno())
    while request := node.recv(1 + _LONGEST_WRITE_BYTES):
        count = error = 0
        try:
            if request == _REOPEN:
                file.reopen()
            else:
                count = file.write(request[1:])
        except OSError as failure:
            error = failure.errno or 0
        node.send(_ANSWER.pack(error, count, file.torn))
