"""Waiting: looking again and again for what is ready, before sleeping."""

from __future__ import annotations

import asyncio
import selectors
import socket
from collections.abc import Iterator, Sequence

import pytest

from skypy.core.timing.spinning import AdaptiveSpin, SpinSetting, SteadySpin
from skypy.system.poller import READABLE, Poller, SpinningSelector, SpinningWait, new_selector, new_spin
from skypy.worker.tasks.loop import new_loop

LONG_SECONDS = 60.0
"""More than a test may take: a test that waits for it to pass has failed."""
STEP_SECONDS = 2.0**-20
WINDOW_SECONDS = 64 * STEP_SECONDS


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    with one, other:
        yield one, other


class Recorder:
    """A steady window that remembers what it was told."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.hold_ups: list[float] = []

    def window(self, now: float) -> float:
        return WINDOW_SECONDS

    def waited(self, seconds: float) -> None:
        self.waits.append(seconds)

    def held_up(self, now: float) -> None:
        self.hold_ups.append(now)


class Stage:
    """A poll and a clock: each poll takes a step, and a sleep as long as it may or until the input comes."""

    def __init__(self, input_at: float, gives_way_for: Sequence[float] = ()) -> None:
        self.now = 0.0
        self.asked: list[float | None] = []
        self.spin = Recorder()
        self.input_at = input_at
        self._gives_way_for = list(gives_way_for)
        self.wait = SpinningWait(self.poll, self.spin, lambda: self.now, self.give_way)

    def give_way(self) -> None:
        self.now += self._gives_way_for.pop(0) if self._gives_way_for else 0.0

    def poll(self, seconds: float | None) -> list[str]:
        self.asked.append(seconds)
        self.now += STEP_SECONDS
        if seconds != 0:
            self.now = max(self.now, self.input_at if seconds is None else min(self.now + seconds, self.input_at))
        return ["input"] if self.now >= self.input_at else []


def test_input_within_the_window_needs_no_sleep() -> None:
    stage = Stage(WINDOW_SECONDS / 2)
    assert stage.wait(None) == ["input"]
    assert set(stage.asked) == {0}
    assert stage.spin.waits == [WINDOW_SECONDS / 2]


def test_a_busy_process_polls_once_for_each_turn_and_learns_of_its_first_wait_alone() -> None:
    stage = Stage(0.0)
    assert [stage.wait(None) for _ in range(5)] == [["input"]] * 5
    assert stage.asked == [0] * 5
    assert stage.spin.waits == [STEP_SECONDS]


def test_after_the_window_the_process_sleeps_and_the_wait_counts_as_a_whole() -> None:
    stage = Stage(LONG_SECONDS)
    assert stage.wait(None) == ["input"]
    assert stage.asked[-2:] == [0, None]
    assert stage.spin.waits == [LONG_SECONDS]
    assert stage.spin.hold_ups == []


def test_the_time_in_the_window_is_a_part_of_the_time_limit() -> None:
    stage = Stage(LONG_SECONDS)
    assert stage.wait(1.0) == []
    assert stage.asked[-1] == 1.0 - WINDOW_SECONDS


def test_a_busy_process_that_finds_nothing_waits_as_any_other() -> None:
    stage = Stage(0.0)
    assert stage.wait(None) == ["input"]
    stage.input_at = LONG_SECONDS
    assert stage.wait(None) == ["input"]
    assert stage.asked[-1] is None
    assert len(stage.spin.waits) == 2


@pytest.mark.parametrize("limit", [STEP_SECONDS, WINDOW_SECONDS])
def test_a_time_limit_within_the_window_is_slept(limit: float) -> None:
    stage = Stage(LONG_SECONDS)
    assert stage.wait(limit) == []
    assert stage.asked == [limit]


@pytest.mark.parametrize("limit", [0, 0.0, -1.0])
def test_a_look_without_waiting_is_one_poll_and_no_wait(limit: float) -> None:
    stage = Stage(LONG_SECONDS)
    assert stage.wait(limit) == []
    assert stage.asked == [0]
    assert stage.spin.waits == []


@pytest.mark.parametrize("input_at", [WINDOW_SECONDS / 2, LONG_SECONDS])
def test_a_process_that_gets_its_core_back_late_was_held_up(input_at: float) -> None:
    stage = Stage(input_at, gives_way_for=[0.0, 0.004])
    assert stage.wait(None) == ["input"]
    assert stage.spin.hold_ups == [0.004 + 3 * STEP_SECONDS]


def test_a_process_that_gives_way_for_a_moment_was_not_held_up() -> None:
    stage = Stage(LONG_SECONDS, gives_way_for=[WINDOW_SECONDS / 2] * 3)
    assert stage.wait(None) == ["input"]
    assert stage.spin.hold_ups == []


# -- as configured -----------------------------------------------------------------------------------------------------


def test_the_setting_chooses_how_to_spin() -> None:
    assert new_spin(0) is None
    assert type(new_spin(1)) is SteadySpin
    assert type(new_selector(0)) is selectors.EpollSelector
    assert type(new_selector(1)) is SpinningSelector


@pytest.mark.parametrize(("cores", "spins"), [(0.5, False), (1.0, False), (1.5, True), (2.0, True)])
def test_with_one_core_or_less_nothing_spins_by_itself(
    monkeypatch: pytest.MonkeyPatch, cores: float, spins: bool
) -> None:
    monkeypatch.setattr("skypy.system.poller.available_cores", lambda: cores)
    spin = new_spin("auto")
    assert type(spin) is AdaptiveSpin if spins else spin is None


# -- with epoll --------------------------------------------------------------------------------------------------------


def test_a_poller_that_spins_finds_what_is_ready(ends: tuple[socket.socket, socket.socket]) -> None:
    poller = Poller(SteadySpin(LONG_SECONDS))
    poller.add(ends[0].fileno(), READABLE)
    assert poller.wait(0) == []
    ends[1].send(b"x")
    assert poller.wait(None) == [(ends[0].fileno(), READABLE)]
    poller.close()


def test_a_poller_that_has_spun_in_vain_sleeps(ends: tuple[socket.socket, socket.socket]) -> None:
    poller = Poller(SteadySpin(0.0001))
    poller.add(ends[0].fileno(), READABLE)
    assert poller.wait(0.0002) == []
    poller.close()


def test_a_selector_that_spins_keeps_to_its_timeout_and_finds_what_is_ready(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    with SpinningSelector(SteadySpin(LONG_SECONDS)) as selector:
        key = selector.register(ends[0], READABLE)
        assert selector.select(0) == []
        assert selector.select(0.0001) == []
        ends[1].send(b"x")
        assert selector.select() == [(key, READABLE)]


@pytest.mark.parametrize("spin", [0, 1000, "auto"])
def test_a_loop_runs_timers_readers_and_calls_from_threads_however_it_spins(
    ends: tuple[socket.socket, socket.socket], spin: SpinSetting
) -> None:
    async def program() -> bytes:
        await asyncio.sleep(0.001)
        await asyncio.to_thread(ends[1].send, b"x")
        return await asyncio.get_running_loop().sock_recv(ends[0], 1)

    ends[0].setblocking(False)
    loop = new_loop(spin)
    assert loop.run_until_complete(program()) == b"x"
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
