"""A service whose waits run into time limits."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import skypy


@skypy.command
async def never() -> None:
    await asyncio.get_running_loop().create_future()


async def call() -> None:
    await skypy.call(skypy.self(), "never")


async def sleep() -> None:
    await skypy.sleep(1000)


WAITS: dict[str, Callable[[], Awaitable[Any]]] = {"call": call, "sleep": sleep}


@skypy.start
async def main() -> None:
    for name, wait in WAITS.items():
        try:
            async with asyncio.timeout(0.01):
                await wait()
        except BaseException as error:
            skypy.log.info("%s ends by %s", name, type(error).__name__)
