"""An actor that counts what another one sends it until it hears of that one's death."""

import asyncio

import skypy

received: list[object] = []


@skypy.command
async def watch(address: int) -> list[object]:
    """Return everything that has come from an actor by the time its death is known."""
    try:
        await skypy.call(address, "wait")
    except skypy.ActorDead:
        return received
    raise AssertionError("it has not died")


@skypy.command
def note(value: object) -> None:
    received.append(value)


@skypy.command
def flood(address: int, count: int, size: int) -> None:
    for number in range(count):
        skypy.send(address, "note", [number, bytes(size)])


@skypy.command
async def wait() -> None:
    await asyncio.Event().wait()


@skypy.command
def ready() -> None:
    """Answer behind everything that came before."""
