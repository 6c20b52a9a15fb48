"""Starts programs for its clients: "orphan" answers with the id of one whose parent has ended, "status N" with N."""

import asyncio
import os
import subprocess

import skypy
from skypy import socket


@skypy.start
async def main() -> None:
    listener = await socket.listen("127.0.0.1", 0)
    skypy.log.info("port %d", socket.local_address(listener).port)
    await socket.start(listener, serve)


async def serve(fd: int, address: str) -> None:
    await socket.start(fd)
    while (line := await socket.readline(fd)) is not None:
        socket.write(fd, b"%d\n" % await answer(*line.decode().split()))
    await socket.close(fd)


async def answer(verb: str, status: str = "0") -> int:
    if verb == "orphan":
        return int(subprocess.check_output(["sh", "-c", "true >/dev/null & echo $!"]))
    by_system = os.waitstatus_to_exitcode(os.system(f"exit {status}"))
    by_subprocess = subprocess.run(["sh", "-c", f"exit {status}"], check=False).returncode
    process = await asyncio.create_subprocess_exec("sh", "-c", f"exit {status}")
    assert by_system == by_subprocess == await process.wait()
    return by_system
