"""A node for which the system has no room: no descriptors at the start, none when a worker has died, or no memory."""

import asyncio
import errno
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from skypy.core.settings import Settings
from skypy.testing import Clock, System
from tests.node.clients import FINAL, finish, read_to_end
from tests.node.harness import ECHO, ROOT, RunningNode, free_port, running

LATER = r"^\[node\] worker {} cannot be started now, which is tried again: .*Too many open files"


def echoes(node: RunningNode, port: int) -> None:
    with node.connect(port) as client:
        client.sendall(b"a\n")
        finish(client)
        assert read_to_end(client) == b"a\n" + FINAL


@contextmanager
def limited(pid: int, kind: int, soft: int) -> Iterator[None]:
    """Limit a running process for a while."""
    _, hard = before = resource.prlimit(pid, kind)
    resource.prlimit(pid, kind, (soft, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, kind, before)


def descriptors_of(pid: int) -> int:
    return 1 + max(map(int, os.listdir(f"/proc/{pid}/fd")))


# -- a worker has died -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("index", [1, 2])
def test_a_worker_that_dies_while_the_node_has_no_descriptor_is_replaced_when_there_is_room(index: int) -> None:
    port = free_port()
    with running(ECHO, f"env.port={port}", "workers=2") as node:
        before = descriptors_of(node.pid)
        for time, room in enumerate((-4, -2, 0), 1):  # the start fails at its first descriptors, or at later ones
            with limited(node.pid, resource.RLIMIT_NOFILE, before + room):
                os.kill(node.child(f"worker {index}"), signal.SIGKILL)
                node.wait_for_line(LATER.format(index), times=time)
            node.wait_for_line(rf"^\[node\] worker {index} is started$", times=time)
            if index == 1:
                node.wait_for_line(r"^\[node\] echo started at :", times=1 + time)
            echoes(node, port)
        node.child("worker 1")
        node.child("worker 2")


@pytest.mark.skypy(workers=2, service_path=["../../services"])
async def test_services_start_in_the_other_workers_meanwhile_and_in_the_new_one_later(
    system: System, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room() -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patch:
        patch.setattr(system.kernel, "lane_pair", no_room)
        system.kill_worker(2)
        await system.wait_idle()
        assert {await system.newservice("simpledb") >> 24 for _ in range(4)} == {1}
        with pytest.raises(Exception, match="worker 2 does not run"):
            await system.newservice("simpledb", worker=2)
        await clock.advance(5)
        assert sum("cannot be started now, which is tried again" in line for line in system.lines) == 1
    await clock.advance(1)
    assert await system.newservice("simpledb", worker=2) >> 24 == 3


def outcome(problem: Exception, seconds: float) -> tuple[list[str], list[str]]:
    """Play a node that meets a problem whenever it starts a worker, once one has died.

    Return its lines, and the problems at its end.
    """
    system = System(Settings("no_room.toml", "", 2, (f"{ROOT}/services",)), 0)
    system.begin()

    def fail() -> None:
        raise problem

    async def play() -> None:
        system.kernel.lane_pair = fail  # type: ignore[method-assign, assignment]
        system.kill_worker(2)
        await system.wait_idle()
        await system.loop.advance(seconds)

    with suppress(asyncio.CancelledError):  # the test's own process ends with its node
        system.run_test(play)
    return system.lines, system.end()


def test_a_node_without_room_for_a_worker_for_too_long_ends_with_exit_code_1() -> None:
    lines, problems = outcome(OSError(errno.EMFILE, os.strerror(errno.EMFILE)), 60.0)
    assert any("worker 2 could not be started within 30 s: the node stops" in line for line in lines)
    assert any("the node has ended with exit code 1" in problem for problem in problems)


def test_an_unforeseen_error_while_a_worker_is_replaced_ends_the_node_with_its_traceback() -> None:
    lines, problems = outcome(RuntimeError("unforeseen"), 1.0)
    assert any("an error in the node's own process, which ends:" in line for line in lines)
    assert any(line.endswith("RuntimeError: unforeseen") for line in lines)
    assert any("the node has ended with exit code 1" in problem for problem in problems)


# -- the node starts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [10, 20, 64])
def test_a_low_limit_of_descriptors_lets_a_node_serve_some_clients_or_say_why_not(limit: int) -> None:
    port = free_port()
    command = [sys.executable, "-m", "skypy", "run", str(ECHO), "--set", f"env.port={port}", "--set", "workers=2"]
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    def lower() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))

    assert hard > limit
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, preexec_fn=lower) as node:
        assert node.stderr is not None
        line = node.stderr.readline()
        if "the processes of the node cannot be started" not in line:
            assert line.startswith("[node] echo started at")
            clients = [socket.create_connection(("127.0.0.1", port), 20) for _ in range(5)]
            for client in clients:
                with client:
                    client.sendall(b"quit\n")
                    assert read_to_end(client) == b""
            node.send_signal(signal.SIGTERM)
        code = node.wait()
        assert code == (1 if limit < 64 else 0)
