"""The first service: it plays scenarios that clients ask for over a socket, and tells what they leave behind."""

import gc
from typing import Any

import skypy
from tests.actors.scenarios import offer

probes: list[int] = []


@skypy.start
async def main() -> None:
    probes.extend([await skypy.newservice("probe", worker=number) for number in (1, 2)])
    await offer(play)


async def play(topic: str, name: str, placement: str) -> dict[str, Any]:
    """Play a scenario in an actor of its own. `left` has the sessions and actors that it leaves, by worker."""
    before = [await skypy.call(probe, "actors") for probe in probes]
    player = await skypy.newservice(topic, worker="here")
    try:
        outcome: dict[str, Any] = await skypy.call(player, "play", name, placement)
    except skypy.CallError as error:
        outcome = {"error": f"{error!r}\n{getattr(error, 'traceback', '')}", "expected": [], "started": []}
    for actor in (*outcome.pop("started"), player):
        await skypy.kill(actor)
    outcome["left"] = {}
    if not outcome["error"]:
        for probe, count in zip(probes, before, strict=True):
            outcome["left"] |= await skypy.call(probe, "what_is_left", count)
    gc.collect()
    for probe in probes:
        await skypy.call(probe, "say", f"played {topic} {name} {placement}")
    return outcome
