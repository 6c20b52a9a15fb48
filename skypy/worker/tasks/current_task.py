"""The task that is running, and how to take it aside for a while."""

from __future__ import annotations

import asyncio
import sys
from asyncio.tasks import _enter_task, _leave_task
from collections.abc import Callable
from typing import Any

if sys.version_info >= (3, 12):
    from asyncio import current_task as current_task
else:
    # asyncio.current_task is Python code there, and every wake-up of a task makes this look-up. The dictionary comes
    # from _asyncio, because asyncio.tasks may have another (see latent_task).
    from _asyncio import _current_tasks  # type: ignore[attr-defined]

    current_task: Callable[[asyncio.AbstractEventLoop], asyncio.Task[Any] | None] = _current_tasks.get

enter_task = _enter_task
"""`enter_task(loop, task)`: make a task the current one of its loop, which must have none and be running."""
leave_task = _leave_task
"""`leave_task(loop, task)`: let the loop have no current task; `task` must be the current one."""
