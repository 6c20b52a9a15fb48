"""An actor that waits in every way."""

import asyncio

import skypy


@skypy.command
async def sleep(seconds: float) -> float:
    """Sleep, and return how long it took."""
    before = skypy.now()
    await skypy.sleep(seconds)
    return skypy.now() - before


@skypy.command
async def give_up(seconds: float) -> float:
    before = skypy.now()
    try:
        async with asyncio.timeout(seconds):
            await asyncio.Event().wait()
    except TimeoutError:
        return skypy.now() - before
    raise AssertionError("it came")


@skypy.command
async def in_a_thread() -> str:
    return await asyncio.to_thread(str, "from a thread")


@skypy.command
def alarm(seconds: float, target: int) -> None:
    skypy.timeout(seconds, skypy.send, target, "ring", seconds)


@skypy.command
async def wait_for_ever() -> None:
    await asyncio.Event().wait()
