"""A service whose start function does not come to its end."""

import asyncio

import skypy


@skypy.start
async def main(witness: int) -> None:
    skypy.send(witness, "note", skypy.self())
    await asyncio.Event().wait()


@skypy.command
async def wait() -> None:
    await asyncio.Event().wait()
