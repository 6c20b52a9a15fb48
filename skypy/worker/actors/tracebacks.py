"""Exceptions of services as text: for the log, and for the caller in another actor."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final

_NOT_OF_SERVICES: Final = ("skypy", "asyncio")
"""The packages whose frames are left out. They are known by name, because compiled modules are in no folder."""
_VERBS: Final = "skypy.worker.verbs."
"""The modules whose functions are called by services, also as callbacks of asyncio."""
_LONGEST_TEXT: Final = 100_000
"""The characters of an exception's text or traceback that a message carries; the rest is cut off."""


def describe(error: BaseException, function: Callable[..., Any] | None = None) -> str:
    """Return the traceback of an exception, without the frames of skypy that led to the service.

    When the service has no frame in the traceback (a syntax error, a call with wrong arguments), the definition of
    `function` is shown as the place of the error. An exception that cannot be shown, by a fault of its class or because
    no memory is left, is named alone.
    """
    try:
        trace = _from_service(error.__traceback__)
        text = "".join(traceback.format_exception(type(error), error, trace)).rstrip()
        code = getattr(function, "__code__", None)
        if trace is None and code is not None:
            text = f'  File "{code.co_filename}", line {code.co_firstlineno}, in {code.co_name}\n{text}'
    except BaseException:
        text = f"{type(error).__name__}: <its traceback cannot be shown>"
    return text


def text_of(error: BaseException) -> str:
    """Return `str(error)`, or a substitute when the exception's class cannot give its text."""
    try:
        return str(error)
    except BaseException:
        return "<exception str() failed>"  # the words of Python's own tracebacks


def shortened(text: str) -> str:
    """Return as much of a text as a message carries."""
    if len(text) > _LONGEST_TEXT:
        text = f"{text[:_LONGEST_TEXT]}... ({len(text)} characters)"
    return text.encode("utf-8", "backslashreplace").decode()


def is_of_skypy(error: BaseException) -> bool:
    """Return True if an exception has come out of a function of skypy that asyncio has called, other than a verb."""
    trace = error.__traceback__
    while trace is not None and _module(trace).partition(".")[0] == "asyncio":
        trace = trace.tb_next
    return trace is not None and _module(trace).startswith("skypy.") and not _module(trace).startswith(_VERBS)


def _from_service(trace: TracebackType | None) -> TracebackType | None:
    while trace is not None and _module(trace).partition(".")[0] in _NOT_OF_SERVICES:
        trace = trace.tb_next
    return trace


def _module(trace: TracebackType) -> str:
    name: str = trace.tb_frame.f_globals.get("__name__", "")
    return name
