"""Starts that are given up, and starts that do not come to an end."""

import asyncio
import re

import pytest

import skypy
from skypy.testing import System
from tests.contract.conftest import Place

pytestmark = pytest.mark.skypy(workers=2, service_path=["services"])


@pytest.mark.parametrize("worker", ["here", 1, 2, None])
async def test_a_service_whose_start_is_given_up_ends(place: Place, worker: int | str | None) -> None:
    starter = await place.newservice("starter", worker=1)
    for _ in range(4):
        assert await place.call(starter, "give_up", worker) == "CancelledError ActorDead"


@pytest.mark.parametrize("worker", [2, None])
async def test_a_service_ends_when_the_actor_that_waits_for_its_start_is_killed(
    place: Place, worker: int | None
) -> None:
    witness = await place.newservice("starter", worker=1)
    for _ in range(4):
        starter = await place.newservice("starter", worker=1)
        place.send(starter, "start_endless", witness, worker)
        address = await place.call(witness, "next_begun")
        waiting = asyncio.create_task(place.call(address, "wait"))
        await place.call(witness, "note", 0)
        await place.call(witness, "next_begun")
        await place.kill(starter)
        with pytest.raises(skypy.ActorDead):
            await waiting


@pytest.mark.parametrize("worker", ["here", 1, 2, None])
async def test_nothing_is_left_of_a_start_that_is_given_up_at_any_time(place: Place, worker: int | str | None) -> None:
    starters = [await place.newservice("starter", worker=number) for number in (1, 2)]
    late = [await place.call(starters[0], "give_up_after", worker, iterations) for iterations in range(40)]
    assert not late[0]
    await asyncio.gather(*(place.call(starter, "wait_until_alone") for starter in starters))
    for starter in starters:
        await place.kill(starter)


@pytest.mark.skypy(seeds=30)
async def test_nothing_is_left_whatever_the_order_of_events(system: System) -> None:
    await test_nothing_is_left_of_a_start_that_is_given_up_at_any_time(system, 2)
    await test_nothing_is_left_of_a_start_that_is_given_up_at_any_time(system, None)


async def test_services_that_wait_for_each_other_in_their_starts_are_said(system: System) -> None:
    starter = await system.newservice("starter", worker=1)
    asking = asyncio.create_task(system.call(starter, "ask_for", "chicken"))
    await asyncio.sleep(9.9)
    assert not lines(system)
    await asyncio.sleep(0.2)
    chicken, egg = sorted(lines(system), key=lambda line: "chicken.py" not in line)
    begin = r'service "%s" has been starting for 10 s and waits for %s \(.*/%s.py, line %d, in %s\)$'
    assert re.search(begin % ("chicken", r'uniqueservice\("egg"\)', "chicken", 8, "main"), chicken)
    assert re.search(begin % ("egg", r'queryservice\("chicken"\)', "egg", 12, "find"), egg)
    await asyncio.sleep(100)
    assert len(lines(system)) == 2
    asking.cancel()


async def test_a_start_that_does_not_return_is_said_with_the_line_where_it_waits(system: System) -> None:
    starter = await system.newservice("starter", worker=1)
    starting = asyncio.create_task(system.newservice("endless", starter, worker=2))
    await asyncio.sleep(10.1)
    (line,) = lines(system)
    assert re.search(
        r'^\[:02\w+\] service "endless" has been starting for 10 s \(.*endless.py, line 11, in main\)$', line
    )
    starting.cancel()


async def test_a_start_that_returns_in_time_is_not_said(system: System) -> None:
    await system.newservice("slow", worker=1)
    await asyncio.sleep(100)
    assert not lines(system)


def lines(system: System) -> list[str]:
    return [line for line in system.lines if "has been starting" in line]
