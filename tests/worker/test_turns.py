"""Turns of the scheduler: each begins and ends once, and only those flushes run that were registered in it."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from typing import Any

import pytest

from skypy.worker.actors.scheduler import SECONDS_PER_TURN, Scheduler
from skypy.worker.tasks.waiter import Waiter
from tests.worker.steps import run_callback, run_iterations, start

Loop = asyncio.AbstractEventLoop


def scheduler_on(loop: Loop, now: Any = lambda: 0.0) -> Scheduler:
    return Scheduler(loop, now, deque(), 1000)


def test_flushes_run_at_the_end_writes_first_then_the_socket_lane_then_the_others(loop: Loop) -> None:
    scheduler = scheduler_on(loop)
    events: list[str] = []

    def turn() -> None:
        scheduler.begin_turn()
        scheduler.send_last(lambda: events.append("bus"))
        scheduler.send_at_end(lambda: events.append("socket lane"))
        scheduler.write_at_end(lambda: events.append("sockets"))
        scheduler.enqueue(events.append, "message")
        scheduler.end_turn()

    run_callback(loop, turn)
    assert events == ["message", "sockets", "socket lane", "bus"]


def test_a_write_may_put_something_on_a_lane(loop: Loop) -> None:
    scheduler = scheduler_on(loop)
    events: list[str] = []

    def turn() -> None:
        scheduler.begin_turn()
        scheduler.write_at_end(lambda: scheduler.send_at_end(lambda: events.append("sent")))
        scheduler.end_turn()

    run_callback(loop, turn)
    assert events == ["sent"]


def test_a_flush_runs_once_and_not_in_later_turns(loop: Loop) -> None:
    scheduler = scheduler_on(loop)
    events: list[str] = []

    def turns() -> None:
        for name in ("first", "second"):
            scheduler.begin_turn()
            scheduler.write_at_end(lambda name=name: events.append(name))  # type: ignore[misc]
            scheduler.end_turn()
        scheduler.take_turn()

    run_callback(loop, turns)
    assert events == ["first", "second"]


@pytest.mark.parametrize("stage", ["write_at_end", "send_at_end", "send_last"])
def test_a_flush_that_is_registered_outside_of_a_turn_gets_one_in_the_next_iteration(loop: Loop, stage: str) -> None:
    scheduler = scheduler_on(loop)
    events: list[str] = []
    for name in ("one", "two"):
        getattr(scheduler, stage)(lambda name=name: events.append(name))
    assert events == []
    run_iterations(loop, 1)
    assert events == ["one", "two"]


def test_a_turn_without_messages_looks_at_the_clock_once(loop: Loop) -> None:
    ticks = itertools.count()
    scheduler = scheduler_on(loop, lambda: float(next(ticks)))
    run_callback(loop, scheduler.take_turn)
    assert next(ticks) == 1


def test_a_turn_that_has_lasted_long_leaves_its_messages_to_the_next(loop: Loop) -> None:
    time = 0.0
    scheduler = scheduler_on(loop, lambda: time)
    events: list[str] = []

    def turn() -> None:
        nonlocal time
        scheduler.begin_turn()
        scheduler.enqueue(events.append, "message")
        time += SECONDS_PER_TURN * 2
        scheduler.end_turn()

    run_callback(loop, turn)
    run_iterations(loop, 1)
    assert events == ["message"]


def test_items_are_handled_in_order_each_with_the_wakeups_it_causes(loop: Loop) -> None:
    scheduler = scheduler_on(loop)
    events: list[str] = []
    waiters = {name: Waiter[None](loop) for name in "abc"}

    async def wait(name: str) -> None:
        await waiters[name]
        events.append(f"{name} is woken")

    tasks = [start(loop, wait(name)) for name in waiters]

    def handle(name: str) -> None:
        events.append(name)
        scheduler.wake(waiters[name])

    run_callback(loop, lambda: scheduler.handle_all(handle, "abc"))
    assert events == ["a", "a is woken", "b", "b is woken", "c", "c is woken"]
    assert all(task.done() for task in tasks)


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_an_item_that_ends_a_task_by_system_exit_does_not_keep_the_others(
    loop: Loop, error: type[BaseException]
) -> None:
    scheduler = scheduler_on(loop)
    events: list[str] = []

    def handle(name: str) -> None:
        if name == "b":
            raise error
        events.append(name)
        if name == "a":
            scheduler.write_at_end(lambda: events.append("flushed"))

    run_callback(loop, lambda: scheduler.handle_all(handle, "abc"))
    assert events == ["a", "c", "flushed"]
