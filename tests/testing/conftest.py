"""pytest runs small test files, to see what the plugin makes of them."""

from collections.abc import Callable
from pathlib import Path

import pytest

Play = Callable[..., pytest.RunResult]
SERVICES = Path(__file__).parent / "services"
