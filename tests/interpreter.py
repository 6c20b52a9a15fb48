"""Properties of the interpreter that tests depend on, found by trying: a version's number does not tell all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


def _keeps_finished_frames() -> bool:
    """Return True if the frame of a coroutine or generator that has raised refers to its last caller for ever.

    So it is with CPython 3.12 and with 3.13 before 3.13.12 (gh-100964). An exception of a task then holds, by its
    traceback, the frames that ran the task, and with them the task: only the garbage collector frees the two.
    """

    def fail() -> Iterator[None]:
        raise LookupError
        yield

    try:
        next(fail())
    except LookupError as error:
        trace = error.__traceback__
        assert trace is not None
        assert trace.tb_next is not None
        return trace.tb_next.tb_frame.f_back is not None
    raise AssertionError("it has raised")


frees_failed_tasks = pytest.mark.skipif(
    _keeps_finished_frames(), reason="this interpreter keeps the frames that resumed a coroutine (CPython gh-100964)"
)
"""For tests which find that a task and its exception are freed without the garbage collector."""
