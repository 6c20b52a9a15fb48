"""Forks in the way that a line names. A client is told what the child has found out, and stays connected."""

import asyncio
import contextlib
import json
import logging
import multiprocessing
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import forking_jobs as jobs  # type: ignore[import-not-found]

import skypy
from skypy import socket

Job = Callable[[int], list[str]]

responses: list[skypy.Response] = []
kept: list[object] = []
"""Processes and pools, which are to be there at the end of the worker."""
early = multiprocessing.get_context("fork").Pool(1)


@skypy.start
async def main() -> None:
    listener = await socket.listen("127.0.0.1", int(skypy.getenv("port", "0")))
    await socket.start(listener, serve)
    skypy.fork(ask_for_ever)
    skypy.log.info("port %d", socket.local_address(listener).port)


async def ask_for_ever() -> None:
    with contextlib.suppress(skypy.ActorDead):
        await skypy.call(skypy.self(), "never")


@skypy.command
def never() -> None:
    responses.append(skypy.response())


async def serve(fd: int, address: str) -> None:
    await socket.start(fd)
    while (line := await socket.readline(fd)) is not None:
        way, job = line.decode().split()
        found = await globals()[way](globals()[job], fd)
        socket.write(fd, json.dumps(found).encode() + b"\n")
    await socket.close(fd)


# -- the jobs of children ----------------------------------------------------------------------------------------------


def links(fd: int) -> list[str]:
    return list(jobs.links())


def verbs(fd: int) -> list[str]:
    return list(jobs.verbs(fd, skypy_self, responses[0]))


def loop(fd: int) -> list[str]:
    return list(jobs.run_a_loop())


skypy_self = skypy.self()

# -- the ways: a child does the job and lives on -----------------------------------------------------------------------


def stay(job: Job, fd: int, end: int) -> None:
    """Do the job in a child that has just been forked, and stay there."""
    try:
        found = job(fd)
    except BaseException as error:
        found = [repr(error)]
    os.write(end, json.dumps(found).encode() + b"\n")
    threading.Event().wait()


def read(end: int) -> list[str]:
    with os.fdopen(end) as file:
        found: list[str] = json.loads(file.readline())
        return found


def fork_and_read(job: Job, fd: int, fork: Callable[[], int] = os.fork) -> list[str]:
    ours, theirs = os.pipe()
    if fork() == 0:
        stay(job, fd, theirs)
    os.close(theirs)
    return read(ours)


async def here(job: Job, fd: int) -> list[str]:
    """Do the job in the worker itself."""
    return job(fd)


async def plain(job: Job, fd: int) -> list[str]:
    return fork_and_read(job, fd)


async def grandchild(job: Job, fd: int) -> list[str]:
    return fork_and_read(lambda fd: fork_and_read(job, fd), fd)


async def terminal(job: Job, fd: int) -> list[str]:
    def fork() -> int:
        pid, master = pty.fork()
        kept.append(master)
        return pid

    return fork_and_read(job, fd, fork)


async def thread(job: Job, fd: int) -> list[str]:
    return await asyncio.to_thread(fork_and_read, job, fd)


async def thread_beside_locks(job: Job, fd: int) -> list[str]:
    """Fork while other threads do nothing but take locks: those of logging, of the standard output, of imports."""
    stopped = threading.Event()

    def busy() -> None:
        while not stopped.is_set():
            logging.getLogger().handlers[0].flush()
            sys.stdout.flush()
            sys.modules.pop("this_is_imported_again", None)
            with contextlib.suppress(ImportError):
                __import__("this_is_imported_again")

    threads = [threading.Thread(target=busy) for _ in range(3)]
    for one in threads:
        one.start()
    found = [await asyncio.to_thread(fork_and_read, job, fd) for _ in range(20)]
    stopped.set()
    return found[-1]


async def process(job: Job, fd: int) -> list[str]:
    ours, theirs = os.pipe()
    child = multiprocessing.get_context("fork").Process(target=stay, args=(job, fd, theirs))
    child.start()
    kept.append(child)
    os.close(theirs)
    return await asyncio.to_thread(read, ours)


async def early_pool(job: Job, fd: int) -> list[str]:
    return await asyncio.to_thread(early.apply, jobs.links)


async def executor(job: Job, fd: int, method: str = "fork") -> list[str]:
    kept.append(pool := ProcessPoolExecutor(2, multiprocessing.get_context(method)))
    return await asyncio.get_running_loop().run_in_executor(pool, jobs.links)


async def executor_of_forkserver(job: Job, fd: int) -> list[str]:
    return await executor(job, fd, "forkserver")


async def executor_of_spawn(job: Job, fd: int) -> list[str]:
    return await executor(job, fd, "spawn")


async def pool(job: Job, fd: int) -> list[str]:
    kept.append(started := multiprocessing.get_context("fork").Pool(2))
    return await asyncio.to_thread(started.apply, jobs.links)


async def manager(job: Job, fd: int) -> list[str]:
    kept.append(started := multiprocessing.get_context("fork").Manager())
    assert list(started.list([1, 2])) == [1, 2]
    server: int = started._process.pid  # type: ignore[attr-defined]
    return [os.readlink(entry) for entry in Path(f"/proc/{server}/fd").iterdir() if int(entry.name) > 2]


async def program(job: Job, fd: int) -> list[str]:
    """Start a program behind a function that runs between fork and exec."""
    ours, theirs = os.pipe()

    def before_exec() -> None:
        os.write(theirs, json.dumps(job(fd)).encode() + b"\n")

    subprocess.run(["true"], preexec_fn=before_exec, check=True)
    os.close(theirs)
    return read(ours)


async def terminated(job: Job, fd: int) -> list[str]:
    """Terminate many processes as early as possible."""
    children = [multiprocessing.get_context("fork").Process(target=jobs.compute) for _ in range(50)]
    for child in children:
        child.start()
        child.terminate()
    for child in children:
        await asyncio.to_thread(child.join)
    return [str(child.exitcode) for child in children]


# -- what is there at the end of the worker ----------------------------------------------------------------------------


async def computing_executor(job: Job, fd: int, function: Callable[[], None] = jobs.compute) -> list[str]:
    kept.append(pool := ProcessPoolExecutor(2, multiprocessing.get_context("fork")))
    kept.extend(pool.submit(function) for _ in range(8))
    return []


async def stubborn_executor(job: Job, fd: int) -> list[str]:
    return await computing_executor(job, fd, jobs.ignore_everything)


async def computing_pool(job: Job, fd: int) -> list[str]:
    kept.append(started := multiprocessing.get_context("fork").Pool(2))
    kept.append(started.map_async(jobs.compute, [1000] * 8))
    return []


async def stubborn_process(job: Job, fd: int) -> list[str]:
    child = multiprocessing.get_context("fork").Process(target=jobs.ignore_everything)
    child.start()
    kept.append(child)
    return []
