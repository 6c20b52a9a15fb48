"""One child process as the node sees it: its control lane, its output, its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from skypy.core.errors import MalformedFrame
from skypy.lane.lane import Lane, LaneEnded, lane_pair
from skypy.lane.on_loop import LoopLane
from skypy.system.processes import StartedProcess, describe_end

_LONGEST_LINE_BYTES: Final = 65536
"""Longer lines are broken up, because a line is held in memory until it is complete."""
_LAST_READS: Final = 64
"""The reads after a child's end: more than a full pipe and a full lane take."""


class Child:
    """A process of the node: its title, the control lane to it, and the future of its end."""

    pidfd: int
    """A descriptor of the process, which the socket service gets to watch a worker."""

    def __init__(
        self, title: str, control: Lane, received: Callable[[Child, Any], None], loop: asyncio.AbstractEventLoop
    ) -> None:
        """Watch the control lane; `received(child, message)` gets each message of the child."""
        self.title = title
        self.ready = False
        """True once the child has sent READY."""
        self.ended: asyncio.Future[int] = loop.create_future()
        """The return code as in subprocess: negative for a signal."""
        self.nonsense: asyncio.Future[str] = loop.create_future()
        """Done once the process has sent something that means nothing, with words about it: it is not to be trusted."""
        self.told_total = 0
        """The total of foreign writes of which the process was told last."""
        self._received = received
        self._lane = LoopLane(control, loop, self._receive, self._lane_ended)

    def send(self, message: tuple[Any, ...], descriptor: int | None = None) -> None:
        """Send a message over the control lane, with a duplicate of `descriptor` if there is one."""
        if descriptor is None:
            self._lane.send(message)
        else:
            self._lane.send_with_descriptor(message, descriptor)
        self._lane.flush()

    def kill(self) -> None:
        """End the process by force, unless it has ended."""
        raise NotImplementedError

    def how_it_ended(self) -> str:
        """Return in words how the process has ended."""
        return describe_end(self.ended.result())

    def read_control(self) -> bool:
        """Handle the messages that have arrived; return False if there are none."""
        return self._lane.read()

    def close_control(self) -> None:
        """Close the control lane of a process that has ended, after its last messages."""
        self._receive(self._lane.receive_rest())

    def distrust(self, problem: str) -> None:
        """Note that the process has sent something that means nothing."""
        if not self.nonsense.done():
            self.nonsense.set_result(problem)

    def _receive(self, messages: list[Any]) -> None:
        for message in messages:
            try:
                self._received(self, message)
            except (LookupError, TypeError, ValueError) as error:
                self.distrust(f"has sent a message that means nothing: {error!r}")
                return

    def _lane_ended(self, error: LaneEnded | MalformedFrame) -> None:
        """Leave the rest to the end of the process: a child whose control lane is closed ends by itself."""
        if isinstance(error, MalformedFrame):
            self.distrust(f"has sent bytes that are not messages: {error}")


class ChildProcess(Child):
    """A process that runs `python -m MODULE CONTROL_DESCRIPTOR [ARGUMENT...]`."""

    def __init__(
        self,
        title: str,
        module: str,
        arguments: Sequence[str],
        received: Callable[[Child, Any], None],
        wrote: Callable[[bytes], None],
    ) -> None:
        """Start the process; `wrote(lines)` gets its output, one or more whole lines at a time. Raises OSError."""
        self._wrote = wrote
        self._partial_line = b""
        ours, theirs = lane_pair()
        try:
            with theirs:
                descriptor = theirs.fileno()
                self._process = StartedProcess(module, [str(descriptor), *arguments], [descriptor])
        except BaseException:
            ours.close()
            raise
        self._loop = asyncio.get_running_loop()
        super().__init__(title, Lane(ours), received, self._loop)
        self.pidfd = self._process.pidfd
        self._loop.add_reader(self._process.output, self._read_output)
        self._loop.add_reader(self.pidfd, self._process_ended)

    def kill(self) -> None:
        """End the process by force, unless it has ended."""
        if not self.ended.done():
            self._process.kill()

    def _read_output(self) -> bool:
        data = self._process.read_output()
        if data is None:
            return False
        lines, newline, rest = data.rpartition(b"\n")
        if newline:
            self._wrote(self._partial_line + lines + newline)
            self._partial_line = rest
        else:
            self._partial_line += rest
        if len(self._partial_line) > _LONGEST_LINE_BYTES:
            self._write_partial_line()
        if not data:
            self._loop.remove_reader(self._process.output)
        return bool(data)

    def _write_partial_line(self) -> None:
        self._wrote(self._partial_line + b"\n")
        self._partial_line = b""

    def _process_ended(self) -> None:
        code = self._process.wait()
        # Bounded: a program that the child has started may hold the pipe and go on writing.
        for _ in range(_LAST_READS):
            if not (self.read_control() or self._read_output()):
                break
        if self._partial_line:
            self._write_partial_line()
        for descriptor in (self._process.output, self.pidfd):
            self._loop.remove_reader(descriptor)
        self._process.close()
        self.close_control()
        self.ended.set_result(code)
