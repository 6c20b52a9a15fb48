"""Critical sections of an actor."""

import asyncio
from typing import Any

import skypy
from tests.actors.scenarios import Others, raises
from tests.actors.scenarios import play as play_scenario

lock = skypy.queue()
happened: list[Any] = []


@skypy.command
async def play(name: str, placement: str) -> dict[str, Any]:
    return await play_scenario(__name__, name, placement)


@skypy.command
async def enter(name: Any, *helpers: int) -> Any:
    """Enter, do something that takes a while, leave."""
    async with lock:
        happened.append(f"{name} enters")
        await do_something(*helpers)
        happened.append(f"{name} leaves")
    return name


@skypy.command
async def enter_and_raise(name: Any) -> None:
    async with lock:
        happened.append(f"{name} enters")
        await skypy.sleep(0)
        raise KeyError(name)


@skypy.command
async def enter_twice(name: Any) -> None:
    async with lock:
        await enter(f"{name} again")
        await lock(enter, f"{name} by a call")


@skypy.command
async def by_a_call(name: Any) -> Any:
    return await lock(plain, name)


@skypy.command
def events() -> list[Any]:
    return happened


@skypy.command
def nothing() -> None: ...


def plain(name: Any) -> Any:
    happened.append(f"{name} enters")
    happened.append(f"{name} leaves")
    return name


async def do_something(*helpers: int) -> None:
    await skypy.sleep(0)
    for helper in helpers:
        await skypy.call(helper, "nothing")
    await asyncio.sleep(0)


def undisturbed(names: "list[Any]") -> list[str]:
    return [event for name in names for event in (f"{name} enters", f"{name} leaves")]


async def hold(release: asyncio.Event) -> None:
    async with lock:
        await release.wait()


async def test_tasks_enter_one_at_a_time_in_the_order_in_which_they_came(others: Others) -> None:
    other, helper = await others.start("queues"), await others.start("queues")
    calls = [skypy.call(other, "enter", number, helper) for number in range(20)]
    assert await asyncio.gather(*calls) == list(range(20))
    assert await skypy.call(other, "events") == undisturbed(list(range(20)))


async def test_a_task_that_is_in_may_enter_again(others: Others) -> None:
    other = await others.start("queues")
    await asyncio.gather(skypy.call(other, "enter_twice", 1), skypy.call(other, "enter", 2))
    assert await skypy.call(other, "events") == undisturbed(["1 again", "1 by a call", 2])


async def test_an_exception_frees_the_section_and_goes_on_to_the_caller(others: Others) -> None:
    other = await others.start("queues")
    calls = [skypy.call(other, command, command) for command in ("enter_and_raise", "enter", "by_a_call")]
    failed, entered, called = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(failed, skypy.RemoteError)
    assert failed.type_name == "KeyError"
    assert (entered, called) == ("enter", "by_a_call")
    assert await skypy.call(other, "events") == ["enter_and_raise enters", *undisturbed(["enter", "by_a_call"])]


async def test_a_call_of_the_queue_passes_arguments_results_and_exceptions(others: Others) -> None:
    del others
    assert await lock(plain, name="x") == "x"
    assert await lock(enter, "y") == "y"
    await raises(KeyError, lock(enter_and_raise, "z"))
    await raises(TypeError, lock(plain))
    assert await lock(plain, "still free") == "still free"


async def test_a_waiter_that_is_cancelled_is_passed_over(others: Others) -> None:
    del others
    release = asyncio.Event()
    holder = asyncio.create_task(hold(release))
    waiting = [asyncio.create_task(enter(number)) for number in range(4)]
    await skypy.sleep(0)
    waiting[0].cancel()
    waiting[2].cancel()
    await skypy.sleep(0)
    release.set()
    await asyncio.wait([holder, *waiting])
    assert [task.cancelled() for task in waiting] == [True, False, True, False]
    assert happened == undisturbed([1, 3])


async def test_a_waiter_may_be_cancelled_in_the_moment_in_which_its_turn_comes(others: Others) -> None:
    del others
    for cancelled_first in (True, False):
        happened.clear()
        release = asyncio.Event()
        holder = asyncio.create_task(hold(release))
        first, second = asyncio.create_task(enter(1)), asyncio.create_task(enter(2))
        await skypy.sleep(0)

        async def let_go(holder: "asyncio.Task[None]" = holder, first: "asyncio.Task[Any]" = first) -> None:
            """Let the holder leave and cancel the first waiter, with nothing between."""
            if cancelled_first:  # noqa: B023
                first.cancel()
            holder.cancel()
            await asyncio.sleep(0)  # the holder leaves
            first.cancel()

        await let_go()
        outcomes = await asyncio.gather(first, second, return_exceptions=True)
        assert isinstance(outcomes[0], asyncio.CancelledError)
        assert outcomes[1] == 2
        assert happened[-2:] == undisturbed([2])
        assert await lock(plain, "free") == "free"


async def test_a_waiter_that_was_let_in_and_is_cancelled_before_it_runs_lets_the_next_one_in(others: Others) -> None:
    del others
    release = asyncio.Event()
    first = asyncio.create_task(leave_and_cancel(release))
    second, third = asyncio.create_task(enter(2)), asyncio.create_task(enter(3))
    victims.append(second)
    await skypy.sleep(0)
    release.set()
    outcomes = await asyncio.gather(first, second, third, return_exceptions=True)
    assert isinstance(outcomes[1], asyncio.CancelledError)
    assert outcomes[2] == 3
    assert happened == undisturbed([3])


victims: list["asyncio.Task[Any]"] = []


async def leave_and_cancel(release: asyncio.Event) -> None:
    async with lock:
        await release.wait()
    victims.pop().cancel()  # it has been let in and does not know yet


async def test_a_holder_that_is_cancelled_leaves(others: Others) -> None:
    del others
    holder = asyncio.create_task(hold(asyncio.Event()))
    waiting = asyncio.create_task(enter("next"))
    await skypy.sleep(0)
    holder.cancel()
    assert await waiting == "next"
    assert holder.cancelled()


async def test_time_limits_work_on_waiters(others: Others) -> None:
    del others
    release = asyncio.Event()
    holder = asyncio.create_task(hold(release))
    await skypy.sleep(0)
    await raises(TimeoutError, asyncio.wait_for(enter("late"), 0.01))
    release.set()
    await holder
    assert await enter("on time") == "on time"
    assert happened == undisturbed(["on time"])


async def test_every_queue_is_one_of_its_own(others: Others) -> None:
    del others
    release = asyncio.Event()
    holder = asyncio.create_task(hold(release))
    await skypy.sleep(0)
    other_lock = skypy.queue()
    await other_lock(nothing)
    release.set()
    await holder


async def test_callers_that_wait_learn_that_an_actor_was_killed_in_its_section(others: Others) -> None:
    other = await others.start("queues")
    await skypy.call(other, "nothing")
    calls = [asyncio.create_task(skypy.call(other, "enter_for_ever")) for _ in range(5)]
    await asyncio.sleep(0)
    await skypy.call(other, "nothing")
    await skypy.kill(other)
    for outcome in await asyncio.gather(*calls, return_exceptions=True):
        assert isinstance(outcome, skypy.ActorDead)


@skypy.command
async def enter_for_ever() -> None:
    async with lock:
        await asyncio.Event().wait()
