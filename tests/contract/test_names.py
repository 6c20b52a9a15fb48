"""Names across workers: what an actor finds is never older than what it has heard. In memory and on real processes."""

import asyncio
import signal

import pytest

from skypy.testing import Node, System
from tests.contract.conftest import Place

pytestmark = pytest.mark.skypy(workers=3, service_path=["services"])

TIMES = 20
MANY = 3000
"""More changes of names than a lane holds for a worker that does not read."""


async def test_the_names_of_an_actor_are_free_before_its_caller_knows_of_its_end(place: Place) -> None:
    mourner = await place.newservice("registrar", worker=1)
    names = [".one", ".two"]
    for number in (1, 2, 3) * TIMES:
        holder = await place.newservice("registrar", *names, worker=number)
        assert await place.call(mourner, "find", ".one") == holder
        assert await place.call(mourner, "bury", holder, names) == [None, None]


@pytest.mark.parametrize("number", [1, 2])
async def test_the_successor_of_an_actor_gets_its_name_at_once(place: Place, number: int) -> None:
    holder = await place.newservice("registrar", ".crown", worker=2)
    for _ in range(TIMES):
        successor = await place.newservice("registrar", worker=number)
        assert await place.call(successor, "succeed", holder, ".crown") == successor
        holder = successor


async def test_a_third_actor_that_hears_of_an_end_finds_no_name_of_the_dead(place: Place) -> None:
    first, second = [await place.newservice("registrar", worker=number) for number in (1, 3)]
    for _ in range(TIMES):
        holder = await place.newservice("registrar", ".told", worker=2)
        assert await place.call(second, "find", ".told") == holder
        assert await place.call(first, "bury", holder, []) == []
        assert await place.call(first, "pass_on", second, "find", ".told") is None


async def test_a_call_by_name_reaches_the_one_that_has_the_name_now(place: Place) -> None:
    first, second = [await place.newservice("registrar", worker=number) for number in (1, 3)]
    holder = await place.newservice("registrar", ".now", worker=2)
    for _ in range(TIMES):
        assert await place.call(second, "pass_on", ".now", "find", ".now") == holder
        successor = await place.newservice("registrar", worker=1)
        assert await place.call(successor, "succeed", holder, ".now") == successor
        assert await place.call(first, "pass_on", second, "find", ".now") == successor
        holder = successor


async def test_a_unique_service_is_new_as_soon_as_its_caller_knows_of_its_end(place: Place) -> None:
    one = await place.newservice("registrar", worker=2)
    last = 0
    for _ in range(TIMES):
        first, second = await place.call(one, "renew", "registrar")
        assert first != second
        assert last in (0, first)
        last = second


async def test_a_worker_that_was_busy_knows_every_name_of_which_it_hears(place: Place) -> None:
    one, busy = [await place.newservice("registrar", worker=number) for number in (1, 2)]
    names = [f".name {number}" for number in range(MANY)]
    place.suspend_worker(2)
    asking = asyncio.create_task(place.call(one, "take", names))
    await asking
    asking = asyncio.create_task(place.call(one, "pass_on", busy, "find", names[-1]))
    await place.call(one, "who")
    place.resume_worker(2)
    assert await asking == one


async def test_a_new_worker_knows_the_names_that_were_taken_before_its_start(place: Place) -> None:
    one = await place.newservice("registrar", ".old", worker=1)
    place.kill_worker(2)
    while not any("it is replaced" in line for line in place.lines):
        await asyncio.sleep(0)
    new = await place.newservice("registrar", worker=2)
    assert await place.call(new, "find", ".old") == one


async def test_the_names_of_a_worker_that_dies_are_free_before_any_caller_knows(place: Place) -> None:
    mourner = await place.newservice("registrar", worker=1)
    holder = await place.newservice("registrar", ".lost", worker=2)
    place.suspend_worker(2)
    burying = asyncio.create_task(place.call(mourner, "bury", holder, [".lost"]))
    await place.call(mourner, "who")
    place.kill_worker(2)
    assert await burying == [None]


@pytest.mark.skypy(seeds=50)
async def test_whatever_the_order_of_events(system: System) -> None:
    await test_the_successor_of_an_actor_gets_its_name_at_once(system, 1)
    await test_a_call_by_name_reaches_the_one_that_has_the_name_now(system)
    await test_a_unique_service_is_new_as_soon_as_its_caller_knows_of_its_end(system)


async def test_names_are_found_while_the_node_answers_nothing_and_none_is_given(node: Node) -> None:
    one, other = [await node.newservice("registrar", worker=number) for number in (1, 2)]
    await node.call(one, "take", [".held"])
    node._process.send_signal(signal.SIGSTOP)
    try:
        assert await node.call(other, "find", ".held") == one
        assert await node.call(other, "find", ".wanted") is None
        for _ in range(2):
            assert "the node has not answered" in await node.call(other, "try_to_take", ".wanted")
    finally:
        node._process.send_signal(signal.SIGCONT)
    while await node.call(other, "try_to_take", ".late") != "":
        pass
    await node.call(one, "take", [".wanted"])
    assert await node.call(other, "find", ".wanted") == one
