"""Time limits, and several tasks at once."""

from __future__ import annotations

import asyncio

import pytest

from tests.worker.compatibility.checks import (
    LATE,
    SOON,
    Check,
    Checks,
    Driver,
    Failure,
    Start,
    current,
    direct_wait,
    every_driver,
    fail,
    for_ever,
    run,
    settle,
    wait_for_ever,
)

check = Checks()


# Time limits


@check.in_debug_mode_as_well
async def a_timeout_ends_a_wait(start: Start) -> None:
    for wait in (for_ever, wait_for_ever):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SOON) as limit:
                await wait()
        assert limit.expired()
    assert current().cancelling() == 0


@check
async def a_timeout_that_is_kept_does_nothing(start: Start) -> None:
    async with asyncio.timeout(LATE) as limit:
        await direct_wait()
        await asyncio.sleep(0)
    assert not limit.expired()
    async with asyncio.timeout(None) as no_limit:
        await direct_wait()
    assert no_limit.when() is None


@check
async def a_timeout_can_be_an_instant(start: Start) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout_at(asyncio.get_running_loop().time()):
            await wait_for_ever()


@check
async def the_inner_of_two_timeouts_expires_alone(start: Start) -> None:
    async with asyncio.timeout(LATE) as outer:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SOON):
                await wait_for_ever()
        await direct_wait()
    assert not outer.expired()


@check
async def the_outer_of_two_timeouts_expires_through_the_inner(start: Start) -> None:
    outer, inner = asyncio.timeout(SOON), asyncio.timeout(LATE)
    with pytest.raises(TimeoutError):
        async with outer, inner:
            await wait_for_ever()
    assert outer.expired()
    assert not inner.expired()


@check
async def a_timeout_can_be_rescheduled(start: Start) -> None:
    async def child() -> None:
        async with asyncio.timeout(LATE) as limit:
            limit.reschedule(asyncio.get_running_loop().time() + SOON)
            await wait_for_ever()

    with pytest.raises(TimeoutError):
        await child()
    async with asyncio.timeout(0) as limit:
        limit.reschedule(None)
        await direct_wait()
    assert not limit.expired()


@check
async def a_cancellation_inside_of_a_timeout_stays_a_cancellation(start: Start) -> None:
    async def child() -> None:
        async with asyncio.timeout(LATE):
            await wait_for_ever()

    task = start(child())
    await settle()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


@check
async def wait_for_gives_the_result(start: Start) -> None:
    async def child() -> str:
        await direct_wait()
        return "in time"

    assert await asyncio.wait_for(child(), LATE) == "in time"
    assert await asyncio.wait_for(start(child()), LATE) == "in time"
    assert await asyncio.wait_for(child(), None) == "in time"


@check
async def wait_for_cancels_what_takes_too_long(start: Start) -> None:
    task = start(wait_for_ever())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(task, SOON)
    assert task.cancelled()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(wait_for_ever(), SOON)


@check
async def wait_for_hands_a_cancellation_on(start: Start) -> None:
    inner = start(wait_for_ever())
    outer = start(asyncio.wait_for(inner, LATE))
    await settle()
    outer.cancel()
    await asyncio.wait([outer])
    assert outer.cancelled()
    assert inner.cancelled()


# Several at once


@check
async def shield_keeps_a_cancellation_away(start: Start) -> None:
    inner = start(wait_for_ever())

    async def child() -> None:
        await asyncio.shield(inner)

    outer = start(child())
    await settle()
    outer.cancel()
    await settle()
    assert outer.cancelled()
    assert not inner.done()
    inner.cancel()


@check
async def gather_gives_the_results_in_order(start: Start) -> None:
    async def child(number: int) -> int:
        await direct_wait()
        await asyncio.sleep(0)
        return number

    assert await asyncio.gather(*(child(number) for number in range(5))) == list(range(5))
    assert await asyncio.gather(*(start(child(number)) for number in range(5))) == list(range(5))


@check
async def gather_raises_or_returns_the_exceptions(start: Start) -> None:
    with pytest.raises(Failure):
        await asyncio.gather(fail(), direct_wait())
    failure, nothing = await asyncio.gather(start(fail()), start(direct_wait()), return_exceptions=True)
    assert isinstance(failure, Failure)
    assert nothing is None


@check
async def cancelling_gather_cancels_its_tasks(start: Start) -> None:
    tasks = [start(wait_for_ever()), start(for_ever())]

    async def child() -> None:
        await asyncio.gather(*tasks)

    outer = start(child())
    await settle()
    outer.cancel()
    await asyncio.wait([outer])
    assert outer.cancelled()
    assert [task.cancelled() for task in tasks] == [True, True]


@check
async def wait_returns_with_the_first_that_ends(start: Start) -> None:
    quick, slow = start(direct_wait()), start(wait_for_ever())
    done, pending = await asyncio.wait([quick, slow], return_when=asyncio.FIRST_COMPLETED)
    assert (done, pending) == ({quick}, {slow})
    slow.cancel()


@check
async def wait_returns_with_the_first_that_fails(start: Start) -> None:
    failing, slow = start(fail()), start(wait_for_ever())
    done, pending = await asyncio.wait([failing, slow], return_when=asyncio.FIRST_EXCEPTION)
    assert (done, pending) == ({failing}, {slow})
    assert isinstance(failing.exception(), Failure)
    slow.cancel()


@check
async def wait_returns_with_all_or_after_its_timeout(start: Start) -> None:
    tasks = {start(direct_wait()), start(asyncio.sleep(0))}
    assert await asyncio.wait(tasks) == (tasks, set())
    slow = start(wait_for_ever())
    assert await asyncio.wait([slow], timeout=SOON) == (set(), {slow})
    assert not slow.done()
    slow.cancel()


@check
async def as_completed_gives_them_as_they_end(start: Start) -> None:
    gate = asyncio.Event()

    async def first() -> str:
        await direct_wait()
        gate.set()
        return "first"

    async def second() -> str:
        await gate.wait()
        return "second"

    assert [await one for one in asyncio.as_completed([start(second()), start(first())])] == ["first", "second"]


@check
async def as_completed_has_a_timeout(start: Start) -> None:
    task = start(wait_for_ever())
    (first,) = asyncio.as_completed([task], timeout=SOON)
    with pytest.raises(TimeoutError):
        await first
    task.cancel()


@check
async def a_task_group_waits_for_its_tasks(start: Start) -> None:
    async def child(number: int) -> int:
        await direct_wait()
        return number

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(child(number)) for number in range(3)]
    assert [task.result() for task in tasks] == [0, 1, 2]


@check.in_debug_mode_as_well
async def a_failure_in_a_task_group_cancels_the_others_and_the_body(start: Start) -> None:
    children: list[asyncio.Task[None]] = []

    async def parent() -> None:
        async with asyncio.TaskGroup() as group:
            children.extend([group.create_task(wait_for_ever()), group.create_task(fail())])
            await wait_for_ever()

    with pytest.raises(ExceptionGroup) as caught:
        await parent()
    assert [type(error) for error in caught.value.exceptions] == [Failure]
    assert children[0].cancelled()
    assert current().cancelling() == 0


@check
async def cancelling_a_task_group_cancels_its_tasks(start: Start) -> None:
    children: list[asyncio.Task[None]] = []

    async def parent() -> None:
        async with asyncio.TaskGroup() as group:
            children.extend([group.create_task(wait_for_ever()), group.create_task(for_ever())])

    task = start(parent())
    await settle()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert [child.cancelled() for child in children] == [True, True]


@check
async def task_groups_can_be_nested(start: Start) -> None:
    caught: list[type[BaseException]] = []
    try:
        async with asyncio.TaskGroup() as outer:
            outer.create_task(wait_for_ever())
            async with asyncio.TaskGroup() as inner:
                inner.create_task(wait_for_ever())
                inner.create_task(fail())
    except* Failure as group:
        caught.extend(type(error) for error in group.exceptions)
    assert caught == [ExceptionGroup]


@check
async def a_task_group_inside_of_a_timeout_is_ended_by_it(start: Start) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(SOON), asyncio.TaskGroup() as group:
            child = group.create_task(wait_for_ever())
    assert child.cancelled()
    assert current().cancelling() == 0


@every_driver
@check.each
def test_the_task(driver: Driver, body: Check, debug: bool) -> None:
    run(driver, body, debug=debug)
