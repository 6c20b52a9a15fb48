"""Spinning: looking again and again for what is ready, before sleeping."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from skypy.system.poller import READABLE, Poller, SpinningSelector, spin
from skypy.worker.tasks.loop import new_loop

LONG_SECONDS = 60.0
"""More than a test may take: a test that waits for it to pass has failed."""


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def test_it_asks_without_waiting_until_something_is_ready() -> None:
    answers: list[list[str]] = [["ready"], [], []]
    asked: list[float] = []

    def poll(seconds: float) -> list[str]:
        asked.append(seconds)
        return answers.pop()

    assert spin(poll, LONG_SECONDS) == ["ready"]
    assert asked == [0, 0, 0]


def test_it_asks_at_least_once_and_gives_up_when_its_time_has_passed() -> None:
    assert spin(lambda _: ["ready"], 0.0) == ["ready"]
    assert spin(lambda _: [], 0.001) == []


def test_a_poller_that_spins_finds_what_is_ready(ends: tuple[socket.socket, socket.socket]) -> None:
    poller = Poller(LONG_SECONDS)
    poller.add(ends[0].fileno(), READABLE)
    assert poller.wait(0) == []  # a wait that is shorter is not made longer
    ends[1].send(b"x")
    assert poller.wait(None) == [(ends[0].fileno(), READABLE)]
    poller.close()


def test_a_poller_that_has_spun_in_vain_sleeps(ends: tuple[socket.socket, socket.socket]) -> None:
    poller = Poller(0.0001)
    poller.add(ends[0].fileno(), READABLE)
    assert poller.wait(0.0002) == []
    poller.close()


def test_a_selector_that_spins_keeps_to_its_timeout_and_finds_what_is_ready(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    with SpinningSelector(LONG_SECONDS) as selector:
        key = selector.register(ends[0], READABLE)
        assert selector.select(0) == []
        assert selector.select(0.0001) == []
        ends[1].send(b"x")
        assert selector.select() == [(key, READABLE)]


def test_a_loop_that_spins_runs_timers_readers_and_calls_from_threads(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    async def program() -> bytes:
        await asyncio.sleep(0.001)
        await asyncio.to_thread(ends[1].send, b"x")
        return await asyncio.get_running_loop().sock_recv(ends[0], 1)

    ends[0].setblocking(False)
    loop = new_loop(1000)
    assert loop.run_until_complete(program()) == b"x"
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
