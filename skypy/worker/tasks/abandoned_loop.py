"""The loop of a worker in a process that was forked from it, where it must not run on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NoReturn


def abandon_loop(loop: asyncio.AbstractEventLoop, end: Callable[[BaseException | None], NoReturn]) -> None:
    """Let a loop that a forked child has a copy of call `end(error)` when control comes back to it.

    The child closes its descriptors of the loop. Nothing is unregistered: the epoll is the parent's.
    """
    insides: dict[str, Any] = vars(loop)
    insides["_selector"].close()
    insides["_selector"].select = lambda timeout=None: end(None)
    insides["_ssock"].close()
    insides["_csock"].close()
    insides["_scheduled"].clear()
    insides["_ready"].clear()
    insides["_ready"].append(asyncio.Handle(end, (None,), loop))
    loop.set_exception_handler(lambda loop, report: end(report.get("exception")))
