"""Standard error by its descriptor: a line is one write, so lines of several processes do not mix."""

from __future__ import annotations

import os
from typing import Final

DESCRIPTOR: Final = 2


def write_line(text: str) -> None:
    """Write one line, which needs no newline at its end. Raises OSError when the reader is gone."""
    os.write(DESCRIPTOR, text.encode("utf-8", "backslashreplace") + b"\n")
