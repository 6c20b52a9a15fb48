"""An actor that has ended is gone: none of its code is started, nothing keeps it, and nothing of it is open."""

import asyncio
from typing import cast

import pytest

import skypy
from skypy.node.worker_process import WorkerProcess
from skypy.testing import Node, System
from skypy.testing.memory.children import MemoryChild
from skypy.testing.memory.system import worker_of
from skypy.worker.actors.ending import NODE_STOPS
from tests.contract.conftest import Place

pytestmark = pytest.mark.skypy(stop_timeout=0.2)
STAYS = "it is left behind$"
TOOK_TOO_LONG = r"TimeoutError: it took longer than stop_timeout \(0\.2 s\)$"


async def pair(place: Place) -> tuple[int, int]:
    """Start an actor that leaves, and an observer beside it."""
    return await place.newservice("leaver", worker=1), await place.newservice("leaver", worker=1)


async def test_the_end_of_an_actor_calls_no_onclose(place: Place) -> None:
    leaver, observer = await pair(place)
    await place.call(leaver, "leave_sockets")
    await place.call(observer, "wait_for_note", leaver, "accepted")
    await place.kill(leaver)
    assert await place.call(observer, "open_sockets_of", leaver) == []
    assert await place.call(observer, "notes_of", leaver) == ["accepted"]


@pytest.mark.parametrize("leave", ["leave_timers", "leave_loggers", "leave_a_logger_below", "leave_sockets"])
async def test_nothing_keeps_an_actor_that_has_ended(place: Place, leave: str) -> None:
    leaver, observer = await pair(place)
    await place.call(leaver, leave)
    left = await place.call(observer, "left_of", leaver)
    assert "its variables" in left
    await place.kill(leaver)
    while await place.call(observer, "left_of", leaver):  # closed connections know their actor until the peer has ended
        await asyncio.sleep(0)


async def test_the_loggers_of_an_actor_that_lives_stay(place: Place) -> None:
    leaver, observer = await pair(place)
    for one in (leaver, observer):
        await place.call(one, "leave_loggers")
    await place.kill(leaver)
    left = await place.call(observer, "left_of", observer)
    assert [one.partition(".")[2] for one in left if one.startswith("logger")] == ["", "part", "part.of_it"]


async def test_a_listener_that_a_stop_function_has_made_is_closed(place: Place) -> None:
    leaver, observer = await pair(place)
    await place.call(leaver, "at_its_end", "listen")
    await place.kill(leaver)
    (port,) = map(int, await place.call(observer, "notes_of", leaver))
    assert port not in await place.call(observer, "listeners")


async def test_a_task_that_is_left_behind_can_neither_use_skypy_nor_start_tasks(place: Place) -> None:
    place.expect_error(STAYS)
    leaver, observer = await pair(place)
    await place.call(leaver, "stay_in_a_task")
    await place.kill(leaver)
    await place.call(observer, "open_gate", leaver)
    await place.call(observer, "wait_for_note", leaver, "done")
    no_verb = f"refused: the actor :{leaver:08x} has ended: its code cannot use skypy any more"
    no_task = "refused: the actor has ended: it can have no new task"
    assert await place.call(observer, "notes_of", leaver) == [no_verb, no_verb, no_verb, no_task, no_verb, "done"]


async def test_a_task_that_is_left_behind_gets_no_socket(node: Node) -> None:
    node.expect_error(STAYS)
    node.allow_error(r"socket: error on \d+ Connection reset by peer$")
    leaver, observer = await node.newservice("leaver", worker=1), await node.newservice("leaver", worker=1)
    port = await node.call(observer, "sink")
    await node.call(leaver, "connect_again_and_again", port)
    await node.kill(leaver)
    while not await node.call(observer, "notes_of", leaver):
        await asyncio.sleep(0)
    assert await node.call(observer, "open_sockets_of", leaver) == []


async def test_a_worker_that_has_stopped_starts_nothing(system: System) -> None:
    worker = worker_of(cast(MemoryChild, system._node.workers[2]))
    await worker.stop(NODE_STOPS)
    assert await worker.reservations.take() == 2  # although the other worker has no more actors
    with pytest.raises(skypy.ServiceError, match="the worker has stopped"):
        await system.newservice("leaver", worker=2)


async def test_a_start_in_a_worker_that_fails_is_answered_by_its_end_and_not_as_a_fault_of_the_service(
    system: System,
) -> None:
    process = cast(WorkerProcess, cast(MemoryChild, system._node.workers[2]).program)
    process.exit_status = 1
    process.worker.launching.stop()
    starting = asyncio.create_task(system.newservice("leaver", worker=2))
    await system.wait_idle()
    assert not starting.done()
    system.kill_worker(2)
    with pytest.raises(skypy.ServiceError, match="its worker was ended by signal"):
        await starting


async def test_a_stop_function_that_swallows_its_cancellation_is_left_behind_and_named(place: Place) -> None:
    place.expect_error(r"task swallow goes on after being cancelled; it is left behind$")
    place.expect_error(r"error in swallow$")
    place.expect_error(TOOK_TOO_LONG)
    leaver, observer = await pair(place)
    await place.call(leaver, "at_its_end", "swallow", "listen")
    await place.kill(leaver)
    assert len(await place.call(observer, "notes_of", leaver)) == 1  # the next stop function has run
    assert sum("it is left behind" in line for line in place.lines) <= 1  # and the task was not waited for again
    await place.call(observer, "open_gate", leaver)


async def test_a_stop_function_that_is_cancelled_may_clean_up(place: Place) -> None:
    place.expect_error(r"error in clean_up$")
    place.expect_error(TOOK_TOO_LONG)
    leaver, observer = await pair(place)
    await place.call(leaver, "at_its_end", "clean up")
    await place.kill(leaver)
    assert await place.call(observer, "notes_of", leaver) == ["cleaned up"]
    assert not any("it is left behind" in line for line in place.lines)
