"""The form of a line of the log: its writer in brackets, then the text."""

from __future__ import annotations


def log_line(writer: str, text: str) -> str:
    """Return a line of the log. `writer` is the title of a process, or the address of an actor as text."""
    return f"[{writer}] {text}"
