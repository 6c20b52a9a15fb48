"""The words about a start that does not come to its end: they name the service, and what it waits for."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any, Final

SLOW_START_SECONDS: Final = 10.0
"""The time after which a start that has not come to its end is said in the log: services may wait for each other."""


def slow_start_line(
    module_name: str, file: str | None, coroutine: Coroutine[Any, Any, Any], waits: Sequence[str]
) -> str:
    """Return a line about a start function: the services that it waits for, and where in `file` it stands."""
    text = f'service "{module_name.rpartition("@")[0]}" has been starting for {SLOW_START_SECONDS:g} s'
    if waits:
        text += f" and waits for {' and '.join(waits)}"
    position = _innermost(coroutine, file)
    return f"{text} ({position})" if position else text


def _innermost(coroutine: Any, file: str | None) -> str:
    """Return the last line of `file` on the way to the object that a coroutine waits for."""
    position = ""
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        if frame is not None and frame.f_code.co_filename == file:
            position = f"{file}, line {frame.f_lineno}, in {frame.f_code.co_name}"
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)
    return position
