"""An actor that starts services and gives the starts up."""

import asyncio

import skypy
from skypy.worker.worker import current_actor

begun: asyncio.Queue[int] = asyncio.Queue()


@skypy.command
def note(address: int) -> None:
    begun.put_nowait(address)


@skypy.command
async def next_begun() -> int:
    return await begun.get()


@skypy.command
async def start_endless(witness: int, worker: int | None) -> None:
    await skypy.newservice("endless", witness, worker=worker)


@skypy.command
async def give_up(worker: int | str | None) -> str:
    """Give up the start of a service that has begun, and return how its end is told."""
    starting = asyncio.create_task(skypy.newservice("endless", skypy.self(), worker=worker))  # type: ignore[arg-type]
    address = await begun.get()
    waiting = asyncio.create_task(skypy.call(address, "wait"))
    await asyncio.sleep(0)
    starting.cancel()
    results = await asyncio.gather(starting, waiting, return_exceptions=True)
    return " ".join(type(result).__name__ for result in results)


@skypy.command
async def give_up_after(worker: int | str | None, iterations: int) -> bool:
    """Give up a start sooner or later; return True if it was too late."""
    starting = asyncio.create_task(skypy.newservice("starter", worker=worker))  # type: ignore[arg-type]
    for _ in range(iterations):
        await asyncio.sleep(0)
    starting.cancel()
    try:
        await skypy.kill(await starting)
    except asyncio.CancelledError:
        return False
    return True


@skypy.command
async def wait_until_alone() -> None:
    """Return when no actor of its kind but this one is left in the worker."""
    worker = current_actor().worker
    while sum(actor.module.__name__.startswith("starter@") for actor in worker.actors.values()) > 1:
        await skypy.sleep(0.001)


@skypy.command
async def ask_for(service: str) -> None:
    await skypy.uniqueservice(service)
