"""Forks in a handler, and lets the child come back from it in many ways. Each thing that runs in a child says so."""

import asyncio
import atexit
import os
import sys
import threading

import skypy
from skypy import socket

worker = os.getpid()


@skypy.start
async def main() -> None:
    listener = await socket.listen("127.0.0.1", 0)
    await socket.start(listener, serve)
    skypy.log.info("port %d", socket.local_address(listener).port)


async def serve(fd: int, address: str) -> None:
    await socket.start(fd)
    while (line := await socket.readline(fd)) is not None:
        place, how = line.decode().split()
        status = await skypy.call(skypy.self(), place, how)
        check()
        socket.write(fd, b"%d\n" % status)
    await socket.close(fd)


@atexit.register
def check() -> None:
    """Say so if code behind the fork runs in a child."""
    if os.getpid() != worker:
        print("code of the parent runs in a child", flush=True)


def status_of(pid: int) -> int:
    """Wait for a child; return its exit status."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def come_back(how: str) -> None:
    if how == "exit":
        sys.exit(7)
    if how == "exit_with_a_text":
        sys.exit("the text of an exit")
    if how == "raise":
        raise ValueError("in a child")
    if how == "interrupt":
        raise KeyboardInterrupt


@skypy.command
def plain(how: str) -> int:
    pid = os.fork()
    if pid:
        return status_of(pid)
    come_back(how)
    return -1


@skypy.command
async def coroutine(how: str) -> int:
    pid = os.fork()
    if pid:
        return status_of(pid)
    if how == "wait":
        await asyncio.sleep(0)
    come_back(how)
    return -1


@skypy.command
async def late(how: str) -> int:
    """Fork in a step that asyncio takes."""
    await asyncio.sleep(0)
    return await coroutine(how)


@skypy.command
async def woken(how: str) -> int:
    """Fork in a step that the scheduler takes."""
    await skypy.sleep(0)
    return await coroutine(how)


@skypy.command
async def task(how: str) -> int:
    """Fork in a task of asyncio that others await."""

    async def body() -> int:
        return await coroutine(how)

    running = [asyncio.create_task(body()), asyncio.create_task(others())]
    statuses = await asyncio.gather(*running)
    check()
    return statuses[0]


async def others() -> int:
    check()
    return 0


@skypy.command
async def forked(how: str) -> int:
    result = await skypy.fork(coroutine, how)
    check()
    return result


@skypy.command
async def timer(how: str) -> int:
    done = asyncio.get_running_loop().create_future()

    async def body() -> None:
        done.set_result(await coroutine(how))

    skypy.timeout(0, body)
    result: int = await done
    check()
    return result


@skypy.command
async def call_soon(how: str) -> int:
    done = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(lambda: done.set_result(plain(how)))
    asyncio.get_running_loop().call_soon(check)
    result: int = await done
    check()
    return result


@skypy.command
async def thread(how: str) -> int:
    """Fork in a thread of the loop's executor, in front of jobs that wait there."""
    loop = asyncio.get_running_loop()
    jobs = [loop.run_in_executor(None, check) for _ in range(100)]
    result = await asyncio.to_thread(plain, how)
    await asyncio.gather(*jobs)
    return result


@skypy.command
async def other_thread(how: str) -> int:
    """Fork in a thread that belongs to no executor."""
    statuses: list[int] = []
    running = threading.Thread(target=lambda: statuses.append(plain(how)))
    running.start()
    await asyncio.to_thread(running.join)
    return statuses[0]


@skypy.command
async def through_a_call(how: str) -> int:
    """Call the forking handler, on the stack of this one."""
    try:
        status: int = await skypy.call(skypy.self(), "plain", how)
    finally:
        check()
    return status


@skypy.command
async def module(how: str) -> int:
    """Fork in the body of a module, or in its start function."""
    service = await skypy.newservice("forking_at_start", how, worker="here")
    check()
    result: int = await skypy.call(service, "status")
    await skypy.kill(service)
    check()
    return result


@skypy.stop
def stop() -> None:
    check()
    print("the service has stopped", flush=True)
