"""An actor that sends to a worker while that is stopped and when it goes on."""

import asyncio
from collections import Counter
from typing import Any

import skypy
from tests.actors.scenarios import outcome

MEGABYTE = 1_000_000
REPLIES = 120
actors: dict[str, int] = {}
tasks: "dict[str, asyncio.Task[Any]]" = {}


@skypy.start
async def main() -> None:
    """Start actors here and on the other workers."""
    for name, worker in (("here", 1), ("victim", 2), ("third", 3)):
        actors[name] = await skypy.newservice("mortal", worker=worker)
        await skypy.call(actors[name], "who")


@skypy.command
async def flood() -> dict[str, Any]:
    """Send to the stopped worker until it is too much; all others go on."""
    data = b"x" * MEGABYTE
    tasks["early"] = asyncio.create_task(skypy.call(actors["victim"], "who"))
    count = 0
    try:
        while count < 1000:
            skypy.send(actors["victim"], "keep", [count, data])
            count += 1
            if count % 10 == 0:
                await skypy.sleep(0)
        send = "everything was sent"
    except skypy.MailboxFull as error:
        send = str(error)
    return {
        "count": count,
        "send": send,
        "call": await outcome(skypy.call(actors["victim"], "keep", data)),
        "others": [await skypy.call(actors[name], "who") == actors[name] for name in ("here", "third")],
    }


@skypy.command
async def time_limit() -> str:
    return await outcome(asyncio.wait_for(skypy.call(actors["third"], "relay", actors["victim"], "who"), 0.01))


@skypy.command
async def drained() -> dict[str, Any]:
    """Check that the worker has gone on: all messages have arrived in order, and there is room again."""
    early = await tasks.pop("early")
    arrived = [number for (number,) in await skypy.call(actors["victim"], "what_was_received", 1)]
    room = [await outcome(skypy.call(actors["victim"], "forget", "x" * MEGABYTE)) for _ in range(200)]
    return {"early": early == actors["victim"], "arrived": arrived, "room": Counter(room)}


@skypy.command
async def ask_for_replies() -> None:
    """Let worker 2 ask for more replies than may be under way to it."""
    await skypy.call(actors["victim"], "ask", actors["here"], "pass_gate", REPLIES, MEGABYTE)
    await skypy.call(actors["victim"], "who")
    while await skypy.call(actors["here"], "how_many_wait") < REPLIES:
        await skypy.sleep(0)


@skypy.command
async def open_gate() -> None:
    """Let all replies leave, or not."""
    await skypy.call(actors["here"], "open_gate")
    while await skypy.call(actors["here"], "how_many_wait"):
        await skypy.sleep(0)


@skypy.command
async def replies() -> dict[str, int]:
    return Counter(await skypy.call(actors["victim"], "results"))
