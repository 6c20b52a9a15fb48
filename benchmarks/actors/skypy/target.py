"""The receiver of the messages of the driver."""

import time

import skypy

received = 0


@skypy.command
def plain(value: int) -> int:
    return value


@skypy.command
async def coroutine(value: int) -> int:
    return value


@skypy.command
def note(_: int) -> None:
    global received
    received += 1


@skypy.command
async def send_to(target: int, batch: int, seconds: float) -> int:
    until = time.perf_counter() + seconds
    count = 0
    while time.perf_counter() < until:
        for _ in range(batch):
            skypy.send(target, "note", 1)
        await skypy.call(target, "plain", 1)
        count += batch
    return count


@skypy.command
def work(cpu_seconds: float) -> None:
    until = time.thread_time() + cpu_seconds
    while time.thread_time() < until:
        sum(range(200))


@skypy.command
async def let_work(target: int, seconds: float) -> int:
    until = time.perf_counter() + seconds
    count = 0
    while time.perf_counter() < until:
        await skypy.call(target, "work", 0.005)
        count += 1
    return count
