"""An actor that deals with others whose workers are killed."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import skypy
from skypy.core.address import format_address
from tests.actors.scenarios import here, outcome, process_of

CALLS = 50
actors: dict[str, int] = {}
tasks: "dict[str, asyncio.Task[Any]]" = {}


def start_task(name: str, coroutine: Coroutine[Any, Any, Any]) -> None:
    tasks[name] = asyncio.create_task(coroutine)


# -- a worker is killed while its callers wait -------------------------------------------------------------------------


@skypy.command
async def prepare() -> None:
    """Make calls from this worker and from worker 3 to worker 2 and back, a start and a kill there, a name."""
    for name, worker in (("here", 1), ("victim", 2), ("stuck", 2), ("third", 3)):
        actors[name] = await skypy.newservice("mortal", worker=worker)
    victim = actors["victim"]
    for number in range(CALLS):
        start_task(f"call {number}", skypy.call(victim, "never"))
    await skypy.call(actors["third"], "ask", victim, "never", CALLS)
    await skypy.call(victim, "ask", actors["here"], "pass_gate", CALLS, 5)
    await skypy.call(victim, "ask", actors["third"], "pass_gate", CALLS, 5)
    await skypy.call(victim, "take", ".victim")
    await skypy.call(actors["stuck"], "get_stuck_in_the_end")
    start_task("kill", skypy.kill(actors["stuck"]))
    start_task("start", skypy.newservice("leaving", "wait", worker=2))
    for name in ("victim", "third", "here"):
        await skypy.call(actors[name], "who")


@skypy.command
async def mourn() -> dict[str, list[str]]:
    """Return the outcomes of all that."""
    calls = [await outcome(tasks.pop(f"call {number}")) for number in range(CALLS)]
    third = await skypy.call(actors["third"], "results")
    return {"calls": calls, "third": third, **{name: [await outcome(tasks.pop(name))] for name in ("kill", "start")}}


@skypy.command
async def is_forgotten() -> dict[str, Any]:
    """Check that nothing of the dead is left: their calls are not answered, calls to them fail."""
    victim = actors["victim"]
    for name in ("here", "third"):
        await skypy.call(actors[name], "open_gate")
    while skypy.query(".victim") is not None:
        await skypy.sleep(0)
    call = await outcome(skypy.call(victim, "who"))
    third = await outcome(skypy.call(actors["third"], "pass_gate", 1))
    return {
        "call": call,
        "send": skypy.send(victim, "who"),
        "third": third,
        "sessions": [len(here().sessions), await skypy.call(actors["third"], "sessions")],
        "victim": format_address(victim),
    }


@skypy.command
async def serves_again() -> dict[str, Any]:
    """Check a new actor on the worker that has died: it has got no old message, it calls and is called."""
    for number in range(100):
        skypy.send(actors["victim"], "keep", number)
    new = await skypy.newservice("mortal", worker=2)
    await skypy.call(new, "take", ".victim")
    await skypy.call(new, "ask", actors["here"], "pass_gate", 1, 5)
    await skypy.call(actors["third"], "ask", new, "pass_gate", 1, 5)
    await skypy.call(new, "open_gate")
    return {
        "process": process_of(new),
        "received": await skypy.call(new, "what_was_received"),
        "results": [await skypy.call(new, "results"), await skypy.call(actors["third"], "results")],
        "name": await skypy.call(".victim", "who") == new,
    }


# -- an address of a process that comes later ------------------------------------------------------------------------


@skypy.command
async def meet_the_unborn() -> str:
    number = max([process_of(await skypy.newservice("mortal", worker=worker)) for worker in (1, 2, 3)]) + 1
    skypy.send(number << 24 | 1, "keep", "too early")
    return await outcome(skypy.call(number << 24 | 1, "who"))


@skypy.command
async def meet_the_born(worker: int) -> list[Any]:
    """Check that the process that has the number now calls and is called."""
    actors["here"] = await skypy.newservice("mortal", worker=1)
    born = await skypy.newservice("mortal", worker=worker)
    await skypy.call(actors["here"], "open_gate")
    await skypy.call(born, "ask", actors["here"], "pass_gate", 1, 5)
    return [process_of(born), await skypy.call(born, "results"), await skypy.call(born, "what_was_received")]
