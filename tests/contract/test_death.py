"""A worker is killed while all actors talk to each other: every call that waits is told why, and none hangs."""

import asyncio
import re
from typing import Any

import pytest

from tests.contract.conftest import Place

KILLED = "was ended by signal 9 (SIGKILL; the kernel may have run out of memory)"
CALLS = 50

pytestmark = pytest.mark.skypy(workers=3, service_path=["../actors/services"])


async def line(place: Place, pattern: str) -> None:
    """Wait for a line of the log."""
    while not any(re.search(pattern, one) for one in place.lines):
        await asyncio.sleep(0)


def dead(address: int, reason: str) -> str:
    return f"ActorDead: actor :{address:08x}: {reason}"


async def test_no_caller_waits_for_a_worker_that_was_killed(place: Place) -> None:
    mourner = await place.newservice("mourner", worker=1)
    await place.call(mourner, "prepare")
    await line(place, r"^\[:02\w+\] it starts$")
    place.kill_worker(2)
    became: dict[str, Any] = await place.call(mourner, "mourn")
    text = dead(0x02000001, f"its process {KILLED}")
    assert became["calls"] == [text] * CALLS
    assert became["third"] == [f"ActorDead({0x02000001}, 'its process {KILLED}')"] * CALLS
    assert became["start"] == [f"ServiceError: its worker {KILLED}"]
    assert became["kill"] == ["None"]
    await nothing_of_it_is_left(place, mourner)
    new = await place.call(mourner, "serves_again")
    assert new == {"process": 4, "received": [], "results": [["5"], ["5"]], "name": True}


async def nothing_of_it_is_left(place: Place, mourner: int) -> None:
    left = await place.call(mourner, "is_forgotten")
    victim = int(left["victim"][1:], 16)
    assert left["call"] == dead(victim, "there is no such actor")
    assert left["send"] is False
    assert left["third"] == "'x'"
    assert left["sessions"] == [0, 0]


@pytest.mark.skypy(service_path=["services"])
@pytest.mark.parametrize(("count", "size"), [(2000, 0), (3, 50_000)])
async def test_what_a_worker_has_sent_before_its_death_comes_before_the_news_of_it(
    place: Place, count: int, size: int
) -> None:
    witness, victim = [await place.newservice("witness", worker=number) for number in (1, 2)]
    watching = asyncio.create_task(place.call(witness, "watch", victim))
    await place.call(witness, "ready")
    place.suspend_worker(1)  # it is busy
    await place.call(victim, "flood", witness, count, size)
    place.kill_worker(2)
    await line(place, r"worker 2 .* it is replaced$")
    place.resume_worker(1)
    assert await watching == [[number, bytes(size)] for number in range(count)]


async def test_an_address_of_a_process_that_comes_later_is_dead_now_and_lives_then(place: Place) -> None:
    mourner = await place.newservice("mourner", worker=1)
    assert (await place.call(mourner, "meet_the_unborn")).endswith("there is no such process")
    place.kill_worker(3)
    await line(place, r"worker 3 .* it is replaced$")
    process, results, received = await place.call(mourner, "meet_the_born", 3)
    assert (process, results, received) == (4, ["5"], [])


async def test_the_worker_of_the_start_service_is_replaced_like_any_other(place: Place) -> None:
    first = await place.newservice("mortal", worker=1)
    place.kill_worker(1)
    with pytest.raises(Exception, match=r"ended by signal 9|has ended|no such actor"):
        await place.call(first, "who")
    second = await place.newservice("mortal", worker=1)
    assert (first, second) == (0x01000001, 0x04000001)
    assert await place.call(second, "who") == second


async def test_there_is_no_such_worker(place: Place) -> None:
    for verb in (place.kill_worker, place.suspend_worker, place.resume_worker):
        with pytest.raises(ValueError, match="there is no worker 4: this node has workers 1 to 3"):
            verb(4)
