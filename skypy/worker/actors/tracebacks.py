"""Exceptions of services as text: for the log, and for the caller in another actor."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final

_NOT_OF_SERVICES: Final = ("skypy", "asyncio")
"""The packages whose frames are left out. They are known by name, because compiled modules are in no folder."""


def describe(error: BaseException, function: Callable[..., Any] | None = None) -> str:
    """Return the traceback of an exception, without the frames of skypy that led to the service.

    When the service has no frame in the traceback (a syntax error, a call with wrong arguments), the definition of
    `function` is shown as the place of the error.
    """
    trace = _from_service(error.__traceback__)
    text = "".join(traceback.format_exception(type(error), error, trace)).rstrip()
    code = getattr(function, "__code__", None)
    if trace is None and code is not None:
        text = f'  File "{code.co_filename}", line {code.co_firstlineno}, in {code.co_name}\n{text}'
    return text


def text_of(error: BaseException) -> str:
    """Return `str(error)`, or a substitute when the exception's class cannot give its text."""
    try:
        return str(error)
    except Exception:
        return "<exception str() failed>"  # the words of Python's own tracebacks


def _from_service(trace: TracebackType | None) -> TracebackType | None:
    while trace is not None and trace.tb_frame.f_globals.get("__name__", "").partition(".")[0] in _NOT_OF_SERVICES:
        trace = trace.tb_next
    return trace
