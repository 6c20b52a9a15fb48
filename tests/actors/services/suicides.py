"""The first service of a node whose other workers end themselves."""

import asyncio

import skypy
from tests.actors.scenarios import offer, outcome


@skypy.start
async def main() -> None:
    await offer(dies_by, start_fails, unique_fails)


async def dies_by(*command: str) -> list[str]:
    """What the caller, a bystander and somebody on another worker learn."""
    victim = await skypy.newservice("mortal", worker=2)
    third = await skypy.newservice("mortal", worker=3)
    await skypy.call(third, "ask", victim, "never", 1)
    bystander = asyncio.create_task(skypy.call(victim, "never"))
    await skypy.call(victim, "who")
    name, *args = command
    caller = asyncio.create_task(skypy.call(victim, name, *map(int, args)))
    return [await outcome(caller), await outcome(bystander), *await skypy.call(third, "results")]


async def start_fails() -> str:
    return await outcome(skypy.newservice("leaving", "exit", worker=2))


async def unique_fails() -> list[str]:
    """It starts on the worker with the fewest actors, which must not be this one."""
    await skypy.newservice("mortal", worker=1)
    query = asyncio.create_task(skypy.queryservice("leaving"))
    await skypy.sleep(0)
    first = await outcome(skypy.uniqueservice("leaving", "exit"))
    return [first, await outcome(query), await outcome(skypy.uniqueservice("leaving"))]
