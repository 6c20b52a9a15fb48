"""Standard error by its descriptor."""

from __future__ import annotations

import os
from typing import Final

DESCRIPTOR: Final = 2


def is_terminal() -> bool:
    """Return True if standard error is a terminal."""
    return os.isatty(DESCRIPTOR)
