"""The end of a process that a service has forked, at the place where the service's code gives control back.

Control would go back to a worker that is not there: its loop, its lanes and its sockets are the parent's. So in a child
the queues of the scheduler hold nothing but the end of the process. The paths of messages come to it by themselves, and
need not ask at each message whether this is a child.
"""

from __future__ import annotations

import logging
import sys
from collections import deque
from collections.abc import Callable
from typing import Any, Final, NoReturn

from skypy.system.forks.child import exit_forked_child
from skypy.worker.actors.tracebacks import describe

_log: Final = logging.getLogger("skypy")

FORKED: Final = 0
"""The thread of every actor in a forked child: no thread has this number, so no verb can be used."""

NOT_IN_A_CHILD: Final = (
    "this process was forked by a service and is no part of the node: skypy cannot be used in it. "
    "Let the child hand its result to the service, by a pipe, a queue or the future of an executor, "
    "and let the service call skypy"
)
_HAS_NO_LOOP: Final = (
    "a forked child waits on the event loop of its worker, which it does not have: the child ends. "
    "End it by os._exit() when its work is done; asyncio.run() gives it a loop of its own"
)


def end_forked_child(error: BaseException | None = None) -> NoReturn:
    """End this process: with the status of a SystemExit, with 1 after any other exception, which is logged, else 0."""
    if error is None:
        exit_forked_child(0)
    if isinstance(error, SystemExit):
        exit_forked_child(_status_of(error))
    _log.error("error in a forked child\n%s", describe(error))
    exit_forked_child(1)


def end_forked_child_that_waits() -> NoReturn:
    """End this process, which could only go on in the loop of its parent."""
    _log.error(_HAS_NO_LOOP)
    exit_forked_child(1)


def _status_of(error: SystemExit) -> int:
    code = error.code
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    print(code, file=sys.stderr)  # noqa: T201 - as Python does
    return 1


class EndOfChild:
    """The end of a child in the place of a wait: `end()` is called where the scheduler would resume a task."""

    def __init__(self, end: Callable[[], NoReturn]) -> None:
        self._end = end

    def done(self) -> bool:
        """End the process."""
        self._end()

    def set_result(self, value: Any, /) -> None:
        """End the process."""
        del value
        self._end()


class QueueOfChild(deque[Any]):
    """A queue of messages that calls `end()` instead of taking one: an answer, say, of a handler that has returned."""

    def __init__(self, end: Callable[[], NoReturn]) -> None:
        super().__init__()
        self._end = end

    def append(self, message: Any, /) -> None:
        del message
        self._end()
