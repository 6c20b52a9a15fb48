"""Standard error by its descriptor."""

from __future__ import annotations

from typing import Final

DESCRIPTOR: Final = 2
