"""An actor whose stop function starts others: one beside it, one anywhere, one in a worker that may be gone."""

import asyncio

import skypy


@skypy.start
async def main(kind: str = "parent") -> None:
    global role
    role = kind
    if kind == "parent":
        other = await skypy.newservice("heirs", "other", worker=2)
        skypy.fork(watch, other)
        skypy.log.info("ready")


role = ""
gone = asyncio.Event()


@skypy.command
async def never() -> None:
    await asyncio.Event().wait()


async def watch(other: int) -> None:
    try:
        await skypy.call(other, "never")
    except skypy.ActorDead:
        gone.set()


@skypy.stop
async def bye() -> None:
    if role == "parent":
        await gone.wait()
        await skypy.newservice("heirs", "child", worker="here")
        await skypy.newservice("heirs", "anywhere")
        try:
            await skypy.newservice("heirs", "late", worker=2)
            skypy.log.info("parent: late has started")
        except skypy.ServiceError as error:
            skypy.log.info("parent: late is refused: %s", error)
    if role == "child":
        await skypy.newservice("heirs", "grandchild", worker="here")
    skypy.log.info("%s stops", role)
