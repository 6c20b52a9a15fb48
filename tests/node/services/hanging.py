"""Has a stop function that never returns, and another one behind it."""

import asyncio

import skypy


@skypy.stop
async def hang() -> None:
    await skypy.sleep(0.05)  # two signals within 10 ms count as one: this line comes later
    skypy.log.info("hanging")
    await asyncio.Event().wait()


@skypy.stop
def last() -> None:
    skypy.log.info("the second stop function runs")
