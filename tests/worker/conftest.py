"""The loop on which waits are tested."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(params=["regular mode", "debug mode"])
def loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that must be left tidy: no task, and no complaint to its exception handler."""
    complaints: list[dict[str, Any]] = []
    loop = asyncio.new_event_loop()
    loop.set_debug(request.param == "debug mode")
    loop.set_exception_handler(lambda _, complaint: complaints.append(complaint))
    yield loop
    unfinished = asyncio.all_tasks(loop)
    loop.close()
    assert unfinished == set()
    assert complaints == []


@pytest.fixture
def no_garbage_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()
