"""The first service of a node whose other workers end themselves."""

import asyncio
import resource

import skypy
from tests.actors.scenarios import offer, outcome


@skypy.start
async def main() -> None:
    await offer(dies_by, start_fails, unique_fails, use_up_descriptors, meet_the_unreachable)


async def dies_by(*command: str) -> list[str]:
    """Return the news for the caller, for a bystander, and for an actor on another worker."""
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
    """Start it on the worker with the fewest actors, which must not be this one."""
    await skypy.newservice("mortal", worker=1)
    query = asyncio.create_task(skypy.queryservice("leaving"))
    await skypy.sleep(0)
    first = await outcome(skypy.uniqueservice("leaving", "exit"))
    return [first, await outcome(query), await outcome(skypy.uniqueservice("leaving"))]


async def use_up_descriptors() -> None:
    """Use up descriptors: from now on the kernel drops those of messages. All imports happen before."""
    await skypy.call(await skypy.newservice("mortal", worker=2), "who")
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


async def meet_the_unreachable() -> list[str]:
    """Call a process that has come meanwhile, and one that was there before."""
    born, known = [await skypy.newservice("mortal", worker=worker) for worker in (3, 2)]
    return [await outcome(skypy.call(born, "who")), await outcome(skypy.call(known, "who"))]
