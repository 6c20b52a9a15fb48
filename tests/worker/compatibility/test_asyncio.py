"""The rest of asyncio: context variables, locks, queues, threads, generators, streams."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import operator
import threading
from collections.abc import AsyncIterator

import pytest

from tests.worker.compatibility.checks import (
    LATE,
    SOON,
    Check,
    Checks,
    Driver,
    Failure,
    Start,
    ambient,
    direct_wait,
    every_driver,
    fail,
    run,
    settle,
)

check = Checks()


# Context variables


@check
async def it_runs_in_the_context_it_was_given(start: Start) -> None:
    assert ambient.get() == "the starter's"
    await asyncio.sleep(0)
    await direct_wait()
    assert ambient.get() == "the starter's"


@check
async def its_children_inherit_a_copy_of_its_context(start: Start) -> None:
    async def child() -> str:
        inherited = ambient.get()
        ambient.set("the child's")
        await asyncio.sleep(0)
        return inherited

    ambient.set("the parent's")
    assert await asyncio.create_task(child()) == "the parent's"
    assert await start(child()) == "the parent's"
    async with asyncio.TaskGroup() as group:
        task = group.create_task(child())
    assert task.result() == "the parent's"
    assert ambient.get() == "the parent's"


@check
async def a_variable_can_be_reset_after_a_wait(start: Start) -> None:
    token = ambient.set("for a while")
    await direct_wait()
    await asyncio.sleep(0)
    assert ambient.get() == "for a while"
    ambient.reset(token)
    assert ambient.get() == "the starter's"


@check.in_debug_mode_as_well
async def tasks_do_not_see_each_others_variables(start: Start) -> None:
    async def child(value: str) -> bool:
        ambient.set(value)
        for wait in (direct_wait, settle, direct_wait):
            await wait()
            if ambient.get() != value:
                return False
        return True

    assert await asyncio.gather(*(start(child(f"value {number}")) for number in range(5))) == [True] * 5
    assert ambient.get() == "the starter's"


@check
async def callbacks_of_the_loop_run_in_a_copy_of_its_context(start: Start) -> None:
    loop = asyncio.get_running_loop()
    seen: asyncio.Future[str] = loop.create_future()

    def callback() -> None:
        seen.set_result(ambient.get())
        ambient.set("the callback's")

    ambient.set("mine")
    loop.call_later(SOON, callback)
    assert await seen == "mine"
    assert ambient.get() == "mine"


# Locks and queues


@check
async def a_lock_lets_one_in_at_a_time(start: Start) -> None:
    lock = asyncio.Lock()
    inside: list[int] = []

    async def child() -> None:
        async with lock:
            inside.append(1)
            await direct_wait()
            assert sum(inside) == 1
            inside.pop()

    await asyncio.gather(*(start(child()) for _ in range(4)))
    assert not lock.locked()


@check
async def a_cancelled_wait_for_a_lock_leaves_it_to_others(start: Start) -> None:
    lock = asyncio.Lock()
    await lock.acquire()
    cancelled, other = start(lock.acquire()), start(lock.acquire())
    await settle()
    cancelled.cancel()
    lock.release()
    assert await other
    assert cancelled.cancelled()


@check
async def an_event_wakes_all(start: Start) -> None:
    event = asyncio.Event()
    tasks = [start(event.wait()) for _ in range(3)]
    await settle()
    event.set()
    assert await asyncio.gather(*tasks) == [True] * 3


@check
async def a_condition_wakes_those_it_notifies(start: Start) -> None:
    condition = asyncio.Condition()
    ready: list[str] = []

    async def child() -> str:
        async with condition:
            await condition.wait_for(lambda: ready)
            return ready.pop()

    task = start(child())
    await settle()
    async with condition:
        ready.append("go")
        condition.notify_all()
    assert await task == "go"


@check
async def a_semaphore_counts(start: Start) -> None:
    semaphore = asyncio.BoundedSemaphore(2)
    inside = [0, 0]

    async def child() -> None:
        async with semaphore:
            inside[0] += 1
            inside[1] = max(inside)
            await direct_wait()
            await asyncio.sleep(0)
            inside[0] -= 1

    await asyncio.gather(*(start(child()) for _ in range(5)))
    assert inside == [0, 2]


@check
async def a_queue_hands_over_in_order(start: Start) -> None:
    queue: asyncio.Queue[int] = asyncio.Queue(maxsize=2)

    async def produce() -> None:
        for number in range(10):
            await queue.put(number)

    async def consume() -> list[int]:
        numbers = []
        for _ in range(10):
            numbers.append(await queue.get())
            queue.task_done()
        return numbers

    producer, consumer = start(produce()), start(consume())
    assert await consumer == list(range(10))
    await producer
    await queue.join()


@check
async def a_barrier_waits_for_all(start: Start) -> None:
    barrier = asyncio.Barrier(3)
    positions = await asyncio.gather(*(start(barrier.wait()) for _ in range(3)))
    assert sorted(positions) == [0, 1, 2]


# Threads and processes


@check
async def to_thread_takes_the_context_along(start: Start) -> None:
    ambient.set("mine")
    thread, value = await asyncio.to_thread(lambda: (threading.current_thread(), ambient.get()))
    assert thread is not threading.current_thread()
    assert value == "mine"


@check
async def run_in_executor_gives_result_and_exception(start: Start) -> None:
    loop = asyncio.get_running_loop()
    assert await loop.run_in_executor(None, operator.add, 3, 4) == 7
    with pytest.raises(ZeroDivisionError):
        await loop.run_in_executor(None, operator.truediv, 1, 0)


@check
async def another_thread_can_run_a_coroutine_here(start: Start) -> None:
    loop = asyncio.get_running_loop()

    async def child() -> int:
        await direct_wait()
        return 7

    assert await asyncio.to_thread(lambda: asyncio.run_coroutine_threadsafe(child(), loop).result(LATE)) == 7


@check
async def a_subprocess_can_be_awaited(start: Start) -> None:
    process = await asyncio.create_subprocess_exec("cat", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate(b"through a pipe")
    assert (output, process.returncode) == (b"through a pipe", 0)


# Generators and context managers


@check
async def a_bare_yield_lets_the_others_run(start: Start) -> None:
    events: list[str] = []

    async def child(name: str) -> None:
        await settle()
        for _ in range(3):
            events.append(name)
            await asyncio.sleep(0)

    await asyncio.gather(start(child("a")), start(child("b")))
    assert events == ["a", "b"] * 3


@check
async def an_asynchronous_generator_can_wait_and_is_closed(start: Start) -> None:
    events: list[str] = []

    async def generate() -> AsyncIterator[int]:
        try:
            for number in range(10):
                await direct_wait()
                yield number
        finally:
            await asyncio.sleep(0)
            events.append("closed")

    async with contextlib.aclosing(generate()) as numbers:  # type: ignore[type-var]
        async for number in numbers:
            if number == 2:
                break
    assert events == ["closed"]
    assert [number async for number in generate()] == list(range(10))


@check
async def a_generator_that_is_left_behind_is_closed_by_the_loop(start: Start) -> None:
    events: list[str] = []

    async def generate() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0)
            events.append("closed")

    async for _ in generate():
        break
    gc.collect()
    await settle()
    assert events == ["closed"]


@check
async def an_exit_stack_unwinds_in_order(start: Start) -> None:
    events: list[str] = []

    async def leave(name: str) -> None:
        await direct_wait()
        events.append(name)

    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(leave, "first")
        stack.push_async_callback(leave, "second")
        with pytest.raises(Failure):
            await fail()
    assert events == ["second", "first"]


# Streams


@check.in_debug_mode_as_well
async def streams_carry_lines_and_half_close(start: Start) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()
        writer.write(b"the end")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"one\n")
        assert await reader.readline() == b"ONE\n"
        writer.write(b"two\n")
        writer.write_eof()
        assert await reader.read() == b"TWO\nthe end"
        writer.close()
        await writer.wait_closed()


@check
async def a_stream_read_can_time_out(start: Start) -> None:
    release = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        reader, writer = await asyncio.open_connection(host, port)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SOON):
                await reader.readline()
        release.set()
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


@every_driver
@check.each
def test_the_task(driver: Driver, body: Check, debug: bool) -> None:
    run(driver, body, debug=debug)
