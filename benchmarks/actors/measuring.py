"""The part that the actor programs in Python share: repeat for a while at a width, and print the result."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable

WARMUP_SECONDS = 0.2


def report(value: float) -> None:
    print("RESULT", json.dumps({"value": value}), flush=True)


async def rate(act: Callable[[], Awaitable[object]], width: int, seconds: float, between_looks: int = 20) -> float:
    """Run `act` `width` times at once, and return how often it ends in a second; look at the clock now and then."""
    count = 0

    async def repeat(until: float) -> None:
        nonlocal count
        while time.perf_counter() < until:
            for _ in range(between_looks):
                await act()
            count += between_looks

    for duration in (WARMUP_SECONDS, seconds):
        count = 0
        started = time.perf_counter()
        await asyncio.gather(*[repeat(started + duration) for _ in range(width)])
        elapsed = time.perf_counter() - started
    return count / elapsed


def blocking_rate(act: Callable[[], object], seconds: float, each: int = 1, between_looks: int = 20) -> float:
    """Run `act`, which waits, in one thread, and return how often it ends in a second; each run counts `each` times."""
    for duration in (WARMUP_SECONDS, seconds):
        count = 0
        started = time.perf_counter()
        while time.perf_counter() < started + duration:
            for _ in range(between_looks):
                act()
            count += between_looks * each
        elapsed = time.perf_counter() - started
    return count / elapsed
