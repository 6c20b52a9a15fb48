"""The decision to spin, with a clock and a machine of its own."""

from __future__ import annotations

import random

import pytest

from skypy.core.timing.spinning import SHORT_WAIT_SECONDS, AdaptiveSpin, SteadySpin

SHORT = SHORT_WAIT_SECONDS / 4
LONG = 0.01
CORES = 2


class Process:
    """A process that waits again and again, and counts the time that it has spun in vain."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.threads = 1
        self.looks = 0
        self.vain = 0.0
        self.spin = AdaptiveSpin(self.look, CORES)

    def look(self) -> int:
        self.looks += 1
        return self.threads

    def wait(self, seconds: float) -> bool:
        """Wait for input that comes after so many seconds; return True if no wake-up was needed."""
        window = self.spin.window(self.now)
        self.now += seconds
        self.spin.waited(seconds)
        if window <= seconds:
            self.vain += window
        return seconds < window

    def waits(self, *seconds: float) -> list[bool]:
        return [self.wait(one) for one in seconds]


@pytest.fixture
def process() -> Process:
    return Process()


def test_a_process_whose_waits_are_short_soon_spins_and_goes_on(process: Process) -> None:
    spun = process.waits(*[SHORT] * 1000)
    assert not spun[0]
    assert all(spun[8:])


@pytest.mark.parametrize("seconds", [SHORT_WAIT_SECONDS, 0.001, 0.01, 1.0])
def test_a_process_whose_waits_are_long_never_spins_and_never_looks_at_the_machine(
    process: Process, seconds: float
) -> None:
    process.waits(*[seconds] * 1000)
    assert (process.vain, process.looks) == (0.0, 0)


@pytest.mark.parametrize("hops", range(8))
def test_requests_of_a_few_hops_that_come_alone_cost_nothing(process: Process, hops: int) -> None:
    for _ in range(100):
        process.waits(LONG, *[SHORT] * hops)
    assert process.vain == 0.0


def test_bursts_of_any_length_cost_two_windows_each_at_most(process: Process) -> None:
    chance = random.Random(7)
    for _ in range(100):
        process.waits(*[SHORT] * chance.randrange(100), *[LONG] * 5)
    assert process.vain <= 100 * 2 * SHORT_WAIT_SECONDS + 1e-9


def test_a_process_that_falls_silent_stops_spinning_at_once(process: Process) -> None:
    process.waits(*[SHORT] * 1000)
    process.waits(*[LONG] * 1000)
    assert process.vain <= 2 * SHORT_WAIT_SECONDS


def test_one_long_wait_among_many_short_ones_does_not_end_the_spinning(process: Process) -> None:
    process.waits(*[SHORT] * 100, LONG)
    assert process.wait(SHORT)


# -- no core to spare --------------------------------------------------------------------------------------------------


def test_a_process_does_not_spin_while_more_threads_want_to_run_than_there_are_cores(process: Process) -> None:
    process.threads = CORES + 1
    assert not any(process.waits(*[SHORT] * 1000))
    process.threads = CORES
    assert any(process.waits(*[SHORT] * 1000))


def test_a_process_that_spins_hears_soon_that_cores_are_wanted(process: Process) -> None:
    process.waits(*[SHORT] * 1000)
    process.threads = CORES + 1
    process.waits(*[SHORT] * int(0.017 / SHORT))
    assert not any(process.waits(*[SHORT] * 100))


def test_the_machine_is_looked_at_about_60_times_a_second_at_most(process: Process) -> None:
    for threads in (CORES, CORES + 1):
        process.threads = threads
        before, began = process.looks, process.now
        process.waits(*[SHORT] * 10_000)
        assert 1 <= process.looks - before <= (process.now - began) / 0.016 + 8


def held_up(process: Process) -> float:
    """Hold the process up, and return the time until it spins again."""
    began = process.now
    process.spin.held_up(began)
    while not process.wait(SHORT):
        pass
    return process.now - began


def test_a_process_that_is_held_up_again_and_again_pauses_each_time_twice_as_long(process: Process) -> None:
    process.waits(*[SHORT] * 1000)
    pauses = [held_up(process) for _ in range(9)]
    assert pauses == pytest.approx([0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 0.64, 0.64], abs=2 * SHORT)


def test_a_process_that_has_spun_for_longer_than_its_pause_begins_with_a_short_one_again(process: Process) -> None:
    process.waits(*[SHORT] * 1000)
    pauses = [held_up(process) for _ in range(5)]
    process.waits(*[SHORT] * int(pauses[-1] / SHORT))
    assert held_up(process) == pytest.approx(pauses[0], abs=2 * SHORT)


def test_a_process_whose_spinning_crowds_the_cores_hardly_spins(process: Process) -> None:
    spun = 0
    for _ in range(100_000):
        process.threads = CORES + 1 if spun else CORES  # itself makes one too many
        spun = process.wait(SHORT)
        process.vain += SHORT * spun
    assert process.vain < 0.01 * (process.now - 1000.0)


# -- a number in the config --------------------------------------------------------------------------------------------


def test_a_steady_window_stays_whatever_happens() -> None:
    spin = SteadySpin(0.002)
    for now in range(10):
        spin.waited(1.0)
        spin.held_up(now)
        assert spin.window(now) == 0.002
