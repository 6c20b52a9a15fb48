"""Starts programs in every way that Python has; each tells the descriptors that it has inherited."""

import asyncio
import os
import shlex
import subprocess
import sys

import skypy
from skypy import socket
from tests.node.scenarios import connection

CODE = """
import os, sys
for fd in range(256):
    if os.path.exists(f"/proc/self/fd/{fd}"):
        print(sys.argv[1], "has", fd, os.readlink(f"/proc/self/fd/{fd}"), flush=True)
"""


def command(name: str) -> list[str]:
    return [sys.executable, "-S", "-c", CODE, name]


@skypy.start
async def main(role: str = "starter") -> None:
    if role == "starter":
        await skypy.newservice("programs", "other", worker=2)
    listener = await socket.listen("127.0.0.1", 0)
    async with connection() as (here, there):
        socket.write(here, b"line")
        await socket.read(there, 4)  # lanes, listeners and connections are all there
        if role == "starter":
            await start_programs()
    await socket.close(listener)


async def start_programs() -> None:
    os.system(shlex.join(command("os.system")))
    subprocess.run(command("subprocess"), check=True)
    subprocess.run(command("close_fds=False"), check=True, close_fds=False)
    process = await asyncio.create_subprocess_exec(*command("asyncio"), close_fds=False)
    await process.wait()
    os.waitpid(os.posix_spawn(sys.executable, command("posix_spawn"), os.environ), 0)
    os.spawnv(os.P_WAIT, sys.executable, command("spawn"))
    if (pid := os.fork()) == 0:
        os.execv(sys.executable, command("exec"))
    os.waitpid(pid, 0)
