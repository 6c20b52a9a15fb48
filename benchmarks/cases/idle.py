"""The memory of an idle connection, and the time of a node until it accepts the first one."""

from __future__ import annotations

import contextlib
import resource
import socket
import time
from functools import partial

from benchmarks.model import Case, Contender, Measurement, Timing
from benchmarks.processes import HOST, free_port, pss_bytes, running, wait_until_accepting
from benchmarks.socket_servers import ALL, Server, contenders

IDLE_CONNECTIONS = 10_000
ALL_WITH_ANSWER_SECONDS = 30.0


def memory_load(port: int, pid: int, _timing: Timing) -> Measurement:
    """Return the bytes for each connection. Every one has had a line answered, so the server is known to have it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with contextlib.ExitStack() as stack:

        def connect() -> None:
            client = stack.enter_context(socket.create_connection((HOST, port), ALL_WITH_ANSWER_SECONDS))
            client.sendall(b"here\n")
            client.recv(16)

        connect()  # the first one costs more than one more does
        before = pss_bytes(pid)
        for _ in range(IDLE_CONNECTIONS):
            connect()
        time.sleep(0.3)
        return Measurement((pss_bytes(pid) - before) / IDLE_CONNECTIONS)


def start(server: Server, _: Timing) -> Measurement:
    port = free_port()
    started = time.perf_counter()
    with running(server.command("echo", port)) as (process, _log):
        wait_until_accepting(process, port)
        return Measurement((time.perf_counter() - started) * 1e3)


CASES = (
    Case(
        "memory-connection",
        f"memory (PSS) of an idle connection, all processes, {IDLE_CONNECTIONS:,} connections",
        "bytes",
        "lower",
        contenders("echo", memory_load, "skypy, asyncio streams, uvloop streams, gevent, skynet"),
        most_rounds=1,
    ),
    Case(
        "start",
        "from the start of the command to the first accepted connection",
        "ms",
        "lower",
        tuple(
            Contender(server.name, partial(start, server), server.missing)
            for server in (ALL["skypy"], ALL["asyncio streams"], ALL["gevent"], ALL["skynet"])
        ),
    ),
)
