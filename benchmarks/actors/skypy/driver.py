"""The driver of skypy in the cases about actors: start "driver ACTIVITY WIDTH SECONDS"."""

import asyncio
import itertools
import json
import time
from collections.abc import Awaitable, Callable

import skypy

WARMUP_SECONDS = 0.2
CALLS_BETWEEN_LOOKS = 20  # at the clock
SENDS_BETWEEN_CALLS = {1: 1000, 100: 100}


@skypy.start
async def main(activity: str, width: str, seconds: str) -> None:
    skypy.fork(run, activity, int(width), float(seconds))


async def run(activity: str, width: int, seconds: float) -> None:
    print("RESULT", json.dumps({"value": await ACTIVITIES[activity](width, seconds)}), flush=True)


async def rate(act: Callable[[], Awaitable[object]], width: int, seconds: float) -> float:
    """Run `act` `width` times at once, and return how often it ends in a second."""
    count = 0

    async def repeat(until: float) -> None:
        nonlocal count
        while time.perf_counter() < until:
            for _ in range(CALLS_BETWEEN_LOOKS):
                await act()
            count += CALLS_BETWEEN_LOOKS

    for duration in (WARMUP_SECONDS, seconds):
        count = 0
        started = time.perf_counter()
        await asyncio.gather(*[skypy.fork(repeat, started + duration) for _ in range(width)])
        elapsed = time.perf_counter() - started
    return count / elapsed


async def call_plain(width: int, seconds: float) -> float:
    target = await skypy.newservice("target", worker="here")
    return await rate(lambda: skypy.call(target, "plain", 1), width, seconds)


async def call_coroutine(width: int, seconds: float) -> float:
    target = await skypy.newservice("target", worker="here")
    return await rate(lambda: skypy.call(target, "coroutine", 1), width, seconds)


async def call_in_turn(width: int, seconds: float) -> float:
    targets = [await skypy.newservice("target", worker="here") for _ in range(width)]
    turns = itertools.cycle(targets)
    return await rate(lambda: skypy.call(next(turns), "plain", 1), 1, seconds)


async def call_across(width: int, seconds: float) -> float:
    target = await skypy.newservice("target", worker=2)
    return await rate(lambda: skypy.call(target, "plain", 1), width, seconds)


async def send(width: int, seconds: float) -> float:
    """Send from `width` senders to one receiver, and return the messages a second.

    A call now and then keeps the mailbox short.
    """
    target = await skypy.newservice("target", worker="here")
    senders = [await skypy.newservice("target", worker="here") for _ in range(width)]
    for duration in (WARMUP_SECONDS, seconds):
        started = time.perf_counter()
        counts = await asyncio.gather(
            *[skypy.call(sender, "send_to", target, SENDS_BETWEEN_CALLS[width], duration) for sender in senders]
        )
        elapsed = time.perf_counter() - started
    return float(sum(counts) / elapsed)


async def start_services(width: int, seconds: float) -> float:
    return await rate(lambda: skypy.newservice("four"), width, seconds)


async def idle_services(width: int, seconds: float) -> float:
    for _ in range(width):
        await skypy.newservice("four")
    await asyncio.sleep(seconds)
    return width


async def work(width: int, seconds: float) -> float:
    """Call handlers of 5 ms of pure Python on `width` workers, from within each, and return their rate."""
    callers = [await skypy.newservice("target", worker=number) for number in range(1, width + 1)]
    targets = [await skypy.newservice("target", worker=number) for number in range(1, width + 1)]
    pairs = zip(callers, targets, strict=True)
    started = time.perf_counter()
    counts = await asyncio.gather(*[skypy.call(caller, "let_work", target, seconds) for caller, target in pairs])
    return float(sum(counts) / (time.perf_counter() - started))


ACTIVITIES = {
    "call-plain": call_plain,
    "call-coroutine": call_coroutine,
    "call-across": call_across,
    "call-in-turn": call_in_turn,
    "send": send,
    "start-services": start_services,
    "idle-services": idle_services,
    "work": work,
}
