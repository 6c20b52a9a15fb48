"""The first service of a node with many actors that call each other, and whose workers are killed meanwhile."""

import asyncio
import os
import random
import signal
from collections import Counter
from typing import Any

import skypy
from tests.actors.scenarios import offer

WORKERS = 4
CALLS_PER_ROUND = 100
members: list[int] = []
outcomes: Counter[str] = Counter()
lost_rounds = 0
kills = 0


@skypy.start
async def main() -> None:
    await offer(begin, what_became_of_them)


def worker_of(slot: int) -> int:
    return slot % WORKERS + 1


async def begin(actors: str, calls: str, kill_every_seconds: str, kill_every_calls: str) -> None:
    """Let a number of actors make calls. A worker is killed every so often, in seconds or in calls (0: never)."""
    slots = range(int(actors))
    members.extend(await asyncio.gather(*(skypy.newservice("member", worker=worker_of(slot)) for slot in slots)))
    skypy.fork(_write, int(calls), float(kill_every_seconds), int(kill_every_calls))


async def _write(calls: int, kill_every_seconds: float, kill_every_calls: int) -> None:
    async with asyncio.TaskGroup() as group:
        killer = group.create_task(_kill_now_and_then(kill_every_seconds)) if kill_every_seconds else None
        writers = [group.create_task(_write_rounds(slot, calls, kill_every_calls)) for slot in range(len(members))]
        await asyncio.wait(writers)
        if killer:
            killer.cancel()
    skypy.log.info("history is complete")


async def _write_rounds(slot: int, calls: int, kill_every_calls: int) -> None:
    """Play rounds of one member until all members have made enough calls. A dead one gets a successor."""
    global lost_rounds
    while outcomes.total() < calls:
        try:
            outcomes.update(await skypy.call(members[slot], "make_calls", CALLS_PER_ROUND, members))
        except skypy.ActorDead:
            lost_rounds += 1
            members[slot] = await _successor(slot)
            continue
        hundredth = outcomes.total() * 100 // calls
        if hundredth > (outcomes.total() - CALLS_PER_ROUND) * 100 // calls:
            skypy.log.info("history: %d %%", hundredth)
        if kill_every_calls and outcomes.total() // kill_every_calls > kills:
            await _kill_a_worker()


async def _successor(slot: int) -> int:
    while True:
        try:
            return await skypy.newservice("member", worker=worker_of(slot))
        except skypy.ServiceError:  # the new worker has died as well
            continue


async def _kill_now_and_then(seconds: float) -> None:
    while True:
        await skypy.sleep(seconds)
        await _kill_a_worker()


async def _kill_a_worker() -> None:
    """Kill a worker other than this one. Its clients are not warned."""
    global kills
    victim = random.choice([slot for slot in range(len(members)) if worker_of(slot) != 1])
    kills += 1
    os.kill(await _ask(victim, "pid"), signal.SIGKILL)


async def _ask(slot: int, command: str) -> int:
    """Return the answer of a member, or of its successor."""
    while True:
        try:
            answer: int = await skypy.call(members[slot], command)
        except skypy.ActorDead:
            members[slot] = await _successor(slot)
        else:
            return answer


async def what_became_of_them() -> dict[str, Any]:
    """Return outcomes, rounds of callers that have died themselves, and the calls that are in flight now, by worker."""
    in_flight = [await _ask(slot, "sessions") for slot in range(WORKERS)]
    return {"outcomes": outcomes, "lost rounds": lost_rounds, "kills": kills, "in flight": in_flight}
