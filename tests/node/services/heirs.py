"""Actors whose stop functions start others: beside them, anywhere, in a worker that may be gone, in one that dies."""

import asyncio
import os

import skypy

role = ""
gone = asyncio.Event()


@skypy.start
async def main(kind: str = "parent") -> None:
    global role
    role = kind
    if kind == "parent":
        skypy.fork(watch, await skypy.newservice("heirs", "other", worker=2))
    elif kind == "witness":
        await skypy.newservice("heirs", "waiting", worker=2)
    elif kind == "dying":
        os._exit(3)


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
        await asyncio.gather(start_late(), skypy.newservice("heirs", "anywhere"))
        await skypy.newservice("heirs", "child", worker="here")
    elif role == "child":
        await skypy.newservice("heirs", "grandchild", worker="here")
    elif role == "witness":
        try:
            await skypy.newservice("heirs", "dying", worker=2)
        except skypy.ServiceError as error:
            skypy.log.info("refused: %s", error)
    elif role == "waiting":
        await never()
    skypy.log.info("%s stops", role)


async def start_late() -> None:
    try:
        await skypy.newservice("heirs", "late", worker=2)
        skypy.log.info("parent: late has started")
    except skypy.ServiceError as error:
        skypy.log.info("parent: late is refused: %s", error)
