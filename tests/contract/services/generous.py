"""An actor that brings its worker near the last of its addresses, and starts others of its kind."""

from typing import Literal

import skypy
from skypy.core.address import LAST_INDEX
from skypy.worker.worker import current_actor


@skypy.command
def leave(count: int) -> None:
    """Let so many addresses be left to this worker."""
    current_actor().worker.launching._last_index = LAST_INDEX - count


@skypy.command
async def start(worker: int | Literal["here"] | None) -> int:
    return await skypy.newservice("generous", worker=worker)


@skypy.command
def lives() -> bool:
    return True
