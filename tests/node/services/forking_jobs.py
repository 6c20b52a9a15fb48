"""The work of child processes, in a module that they can import."""

import asyncio
import logging
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import skypy
from skypy import socket


def links() -> list[str]:
    """Return what the descriptors of this process beyond 2 are."""
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            target = os.readlink(entry)
        except OSError:
            continue  # of the listing
        if int(entry.name) > 2:
            found.append(target)
    return found


def verbs(fd: int, address: int, response: Callable[[object], object]) -> list[str]:
    """Use verbs of every kind; return what they raise."""
    calls: list[Callable[[], object]] = [
        skypy.self,
        lambda: skypy.send(address, "get"),
        lambda: asyncio.run(skypy.call(address, "get")),
        lambda: asyncio.run(skypy.newservice("forking")),
        lambda: asyncio.run(socket.start(fd)),
        lambda: socket.write(fd, b"from a child\n"),
        lambda: asyncio.run(socket.close(fd)),
        lambda: socket.shutdown(fd),
        lambda: skypy.fork(print),
        lambda: skypy.timeout(0, print),
        lambda: skypy.query(".name"),
        lambda: skypy.register(".child"),
        skypy.shutdown_node,
        skypy.exit,
        lambda: response("from a child"),
    ]
    return [_raised_by(call) for call in calls]


def _raised_by(call: Callable[[], object]) -> str:
    try:
        return f"returned {call()!r}"
    except BaseException as error:
        return f"{type(error).__name__}: {error}"


def run_a_loop() -> list[str]:
    """Use asyncio as in any process: tasks, timers, threads, subprocesses, connections of its own."""

    async def main() -> str:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write((await reader.readline()).upper())
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server, asyncio.timeout(10):
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            await asyncio.gather(asyncio.sleep(0), asyncio.to_thread(writer.write, b"line\n"))
            line = await reader.readline()
            writer.close()
            program = await asyncio.create_subprocess_exec("true")
            return f"{line.decode().strip()} {await program.wait()}"

    logging.getLogger("skypy").info("child %d logs", os.getpid())
    return [asyncio.run(main()), str(os.getpid())]


def ignore_everything(seconds: float = 1000) -> None:
    """Be a job that does not end when it is asked to."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("a stubborn job runs", flush=True)
    time.sleep(seconds)


def compute(seconds: float = 1000) -> None:
    """Be a job that takes long."""
    print("a job runs", flush=True)
    time.sleep(seconds)
