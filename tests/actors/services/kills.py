"""The ends of actors, and the news for those that wait for them."""

import asyncio
import sys
from typing import Any

import skypy
from tests.actors.scenarios import Others, here, passes, raises
from tests.actors.scenarios import play as play_scenario

events: list[str] = []
watcher = [0]


@skypy.command
async def play(name: str, placement: str) -> dict[str, Any]:
    return await play_scenario(__name__, name, placement)


@skypy.stop
async def bye() -> None:
    if watcher[0]:
        await skypy.call(watcher[0], "note", f"stop of :{skypy.self():08x}")


@skypy.command
def watch(address: int) -> None:
    watcher[0] = address


@skypy.command
def note(text: str) -> None:
    events.append(text)


@skypy.command
def alive() -> bool:
    return True


@skypy.command
def leave() -> None:
    skypy.exit()


@skypy.command
async def leave_later() -> None:
    await skypy.sleep(0)
    skypy.exit()


@skypy.command
async def leave_and_say_so() -> None:
    try:
        skypy.exit()
    finally:
        events.append("finally")


@skypy.command
async def leave_stubbornly() -> str:
    try:
        skypy.exit()
    except asyncio.CancelledError:
        return "still here"


@skypy.command
async def kill_self() -> str:
    await skypy.kill(skypy.self())
    return "still here"


@skypy.command
async def kill_source() -> str:
    await skypy.kill(skypy.source())
    return "killed"


@skypy.command
async def never() -> None:
    await asyncio.Event().wait()


@skypy.command
async def wait_for_ever_and_tell(address: int, text: str) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        skypy.send(address, "note", text)


@skypy.command
async def take_requests_to_the_end() -> None:
    """Send messages that arrive between the beginning of the end and the end."""
    for _ in range(3):
        skypy.send(skypy.self(), "note", "never heard")
    skypy.exit()


@skypy.command
async def call_for_ever(address: int) -> None:
    await skypy.call(address, "never")


async def waiting_for(other: int, command: str, *args: Any) -> asyncio.Task[Any]:
    """Return a call that the other has begun to handle."""
    task = asyncio.create_task(skypy.call(other, command, *args))
    await asyncio.sleep(0)
    assert await skypy.call(other, "alive")
    return task


async def dead(other: int, task: "asyncio.Task[Any]") -> None:
    error = await raises(skypy.ActorDead, asyncio.wait_for(task, 10))
    assert error.address == other
    assert error.reason in ("it has called exit()", "it was killed")
    await raises(skypy.ActorDead, skypy.call(other, "alive"))


# -- scenarios ---------------------------------------------------------------------------------------------------------


async def test_a_caller_that_waits_learns_that_the_actor_has_exited(others: Others) -> None:
    for command in ("leave", "leave_later", "leave_and_say_so", "leave_stubbornly", "kill_self"):
        other = await others.start("kills")
        waiting = await waiting_for(other, "never")
        await dead(other, asyncio.create_task(skypy.call(other, command)))
        await dead(other, waiting)


async def test_an_exit_without_a_waiting_caller_is_not_an_error(others: Others) -> None:
    for command in ("leave", "leave_later", "leave_and_say_so", "kill_self"):
        other = await others.start("kills")
        waiting = await waiting_for(other, "never")
        skypy.send(other, command)
        await dead(other, waiting)


async def test_a_caller_that_waits_learns_that_the_actor_was_killed(others: Others) -> None:
    other = await others.start("kills")
    waiting = [await waiting_for(other, "never") for _ in range(20)]
    await skypy.kill(other)
    for task in waiting:
        await dead(other, task)


async def test_requests_behind_the_one_that_ends_an_actor_are_told_as_well(others: Others) -> None:
    other = await others.start("kills")
    commands = ["alive", "take_requests_to_the_end", "never", "alive", "never"]
    answers = await asyncio.gather(*(skypy.call(other, one) for one in commands), return_exceptions=True)
    assert answers[0] is True
    for answer in answers[1:]:
        assert isinstance(answer, skypy.ActorDead)
        assert answer.reason in ("it has called exit()", "it was killed")


async def test_a_killed_actor_is_gone_when_kill_returns(others: Others) -> None:
    other = await others.start("kills")
    await skypy.kill(other)
    assert other not in here().actors
    if others.together:
        assert f"kills@{other:08x}" not in sys.modules
    await raises(skypy.ActorDead, skypy.call(other, "alive"))


async def test_killing_twice_or_a_dead_or_unknown_actor_is_harmless(others: Others) -> None:
    other = await others.start("kills")
    await asyncio.gather(*(skypy.kill(other) for _ in range(5)))
    await skypy.kill(other)
    await skypy.kill(f":{other:08x}")
    await skypy.kill(other | 0xFFFFFF)
    await skypy.kill(0x7700000001)


async def test_kill_waits_for_the_stop_functions(others: Others) -> None:
    other = await others.start("kills")
    await skypy.call(other, "watch", skypy.self())
    await skypy.kill(other)
    assert events == [f"stop of :{other:08x}"]


async def test_exit_runs_the_stop_functions(others: Others) -> None:
    other = await others.start("kills")
    await skypy.call(other, "watch", skypy.self())
    skypy.send(other, "leave")
    await passes(lambda: events == [f"stop of :{other:08x}"])


async def test_the_tasks_of_a_killed_actor_are_cancelled_and_may_say_goodbye(others: Others) -> None:
    other = await others.start("kills")
    waiting = await waiting_for(other, "wait_for_ever_and_tell", skypy.self(), "goodbye")
    await skypy.kill(other)
    await dead(other, waiting)
    await passes(lambda: events == ["goodbye"])


async def test_an_actor_kills_its_caller(others: Others) -> None:
    victim, killer = await others.start("kills"), await others.start("kills")
    await skypy.call(victim, "watch", skypy.self())
    skypy.send(victim, "call_for_ever", killer)
    assert await skypy.call(victim, "alive")
    calling = asyncio.create_task(skypy.call(victim, "ask_to_be_killed", killer))
    await dead(victim, calling)
    assert await skypy.call(killer, "alive")
    await passes(lambda: len(events) == 1)


@skypy.command
async def ask_to_be_killed(killer: int) -> Any:
    return await skypy.call(killer, "kill_source")


async def test_two_actors_that_kill_each_other_wait_for_each_other_in_no_case(others: Others) -> None:
    first, second = await others.start("kills"), await others.start("kills")
    skypy.send(first, "kill_other", second)
    skypy.send(second, "kill_other", first)
    ended: set[int] = set()
    while not ended:  # the other one may have been killed before it could kill
        for actor in (first, second):
            try:
                await skypy.call(actor, "alive")
            except skypy.ActorDead:
                ended.add(actor)
        await skypy.sleep(0)
    for actor in (first, second):
        await skypy.kill(actor)


@skypy.command
async def kill_other(address: int) -> None:
    await skypy.sleep(0)  # the other one may come so far as well
    await skypy.kill(address)


async def test_a_kill_that_is_given_up_goes_on(others: Others) -> None:
    other = await others.start("kills")
    task = asyncio.create_task(skypy.kill(other))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    while True:
        try:
            await skypy.call(other, "alive")
        except skypy.ActorDead:
            break
        await skypy.sleep(0)


async def test_the_calls_of_a_killed_actor_are_given_up(others: Others) -> None:
    caller, callee = await others.start("kills"), await others.start("kills")
    skypy.send(caller, "call_for_ever", callee)
    assert await skypy.call(caller, "alive")
    await skypy.kill(caller)
    assert await skypy.call(callee, "alive")


async def test_nothing_after_exit_runs(others: Others) -> None:
    del others
    finished: list[str] = []

    def leave_early() -> None:
        finished.append("before")
        try:
            skypy.exit()
        finally:
            finished.append("finally")
        finished.append("after")

    address = await skypy.newservice("kills", worker="here")
    actor = here().actors[address]
    here().scheduler.run(actor, "leave_early", leave_early)
    await passes(lambda: address not in here().actors)
    assert finished == ["before", "finally"]
