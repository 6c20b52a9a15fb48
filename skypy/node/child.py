"""One child process, seen from the node: started with exec, talked to over its control lane, its output collected."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

from skypy.core.wire.codec import MalformedFrame
from skypy.lane.lane import Lane, LaneEnded, lane_pair

_PIPE_READ_BYTES = 65536
_LONGEST_LINE_BYTES = 65536
"""Longer ones are broken up: a line is held until it is complete."""
_LAST_READS = 64
"""More than a full pipe and a full lane take."""
_HELD_BACK = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Child:
    """A process of the node, as far as the node talks to it: its control lane, and its end."""

    pidfd: int

    def __init__(
        self, title: str, control: Lane, said: Callable[[Child, Any], None], loop: asyncio.AbstractEventLoop
    ) -> None:
        """`said(child, message)` gets what it says on the control lane."""
        self.title = title
        self.ready = False
        self.control = control
        self._loop = loop
        self._said = said
        self._writing = False
        self.ended: asyncio.Future[int] = loop.create_future()
        """The return code as in subprocess: negative for a signal."""
        loop.add_reader(control.fileno(), self.read_control)

    def send(self, message: tuple[Any, ...], descriptor: int | None = None) -> None:
        """Tell it something."""
        if descriptor is None:
            self.control.send(message)
        else:
            self.control.send_with_descriptor(message, descriptor)
        if not self.ended.done():
            self._flush()

    def _flush(self) -> None:
        """Send what the lane takes; the rest when there is room."""
        if self.control.flush() == self._writing:
            self._writing = not self._writing
            if self._writing:
                self._loop.add_writer(self.control.fileno(), self._flush)
            else:
                self._loop.remove_writer(self.control.fileno())

    def kill(self) -> None:
        """End it by force."""
        raise NotImplementedError

    def how_it_ended(self) -> str:
        """Its end in words."""
        code = self.ended.result()
        if code >= 0:
            return f"ended with exit status {code}"
        name = signal.Signals(-code).name if -code in set(signal.Signals) else "unknown"
        hint = "; the kernel may have run out of memory" if -code == signal.SIGKILL else ""
        return f"was ended by signal {-code} ({name}{hint})"

    def read_control(self) -> bool:
        """Hear what it has said; whether there was something."""
        try:
            messages = self.control.receive()
        except (LaneEnded, MalformedFrame):
            self._loop.remove_reader(self.control.fileno())
            return False
        for message in messages:
            self._said(self, message)
        return bool(messages)

    def close_control(self) -> None:
        """It has ended, and its last words have been heard."""
        self._loop.remove_reader(self.control.fileno())
        self._loop.remove_writer(self.control.fileno())
        self.control.close()


class ChildProcess(Child):
    """A process that runs `python -m MODULE CONTROL_DESCRIPTOR [ARGUMENT...]`."""

    def __init__(
        self,
        title: str,
        module: str,
        arguments: Sequence[str],
        said: Callable[[Child, Any], None],
        wrote_line: Callable[[bytes], None],
    ) -> None:
        """Starts it. `wrote_line` gets its output."""
        self._wrote_line = wrote_line
        self._partial_line = b""
        ours, theirs = lane_pair()
        self._output, output = os.pipe()
        with theirs:
            # Until the child has its own handlers, signals to the group wait.
            signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_BACK)
            try:
                self.process = subprocess.Popen(
                    [sys.executable, "-m", module, str(theirs.fileno()), *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    pass_fds=[theirs.fileno()],
                )
            finally:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD_BACK)
                os.close(output)
        super().__init__(title, Lane(ours), said, asyncio.get_running_loop())
        self.pidfd = os.pidfd_open(self.process.pid)
        os.set_blocking(self._output, False)
        self._loop.add_reader(self._output, self._read_output)
        self._loop.add_reader(self.pidfd, self._has_ended)

    def kill(self) -> None:
        """End it by force. By its pidfd: a number could mean another process by now."""
        if not self.ended.done():
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    def _read_output(self) -> bool:
        try:
            data = os.read(self._output, _PIPE_READ_BYTES)
        except BlockingIOError:
            return False
        *lines, self._partial_line = (self._partial_line + data).split(b"\n")
        for line in lines:
            self._wrote_line(line)
        if len(self._partial_line) > _LONGEST_LINE_BYTES:
            self._wrote_line(self._partial_line)
            self._partial_line = b""
        if not data:
            self._loop.remove_reader(self._output)
        return bool(data)

    def _has_ended(self) -> None:
        code = self.process.wait()
        # Bounded: a program that the child has started may hold the pipe and go on writing.
        for _ in range(_LAST_READS):
            if not (self.read_control() or self._read_output()):
                break
        if self._partial_line:
            self._wrote_line(self._partial_line)
        for descriptor in (self._output, self.pidfd):
            self._loop.remove_reader(descriptor)
            os.close(descriptor)
        self.close_control()
        self.ended.set_result(code)
