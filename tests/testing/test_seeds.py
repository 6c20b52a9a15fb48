"""A seed decides the order of events, finds races, and repeats exactly."""

import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from skypy.core.settings import Settings
from skypy.testing import Connect, System

SERVICES = str(Path(__file__).parent / "services")
ROOT = Path(__file__).parents[2]


def play_race(seed: int) -> tuple[int, list[str], int]:
    """Let two workers pay into a bank that loses a payment if they come too close together."""
    system = System(Settings("bank.toml", "", 3, (SERVICES,)), seed)
    system.begin()
    balance = 0

    async def race() -> None:
        nonlocal balance
        audit = await system.newservice("payer", worker=3)
        bank = await system.newservice("bank", audit, worker=3)
        payers = [await system.newservice("payer", worker=number) for number in (1, 2)]
        for payer in payers:
            system.send(payer, "pay", bank, 1)
        await system.wait_idle()
        balance = await system.call(bank, "get")

    system.run_test(race)
    assert system.end() == []
    return balance, system.lines, system.loop.fingerprint


def test_a_planted_race_is_found_and_the_seed_repeats_it() -> None:
    outcomes = {seed: play_race(seed) for seed in range(40)}
    assert Counter(balance for balance, _, _ in outcomes.values()).keys() == {1, 2}
    for seed in random.Random(1).sample(range(40), 5):
        assert play_race(seed) == outcomes[seed]


async def mixed(system: System, connect: Connect) -> None:
    """Play with clients, actors, a worker that dies and a client that resets, all at once."""
    system.allow_error(r"socket: error on \d+ ")
    system.allow_error(r"error in accept of ")  # its agent has died
    store = await system.newservice("simpledb", worker=1)
    first, second = await connect(6380), await connect(6380)
    await first.send(b"SET k 1\r\nINCR k\r\n")
    assert await system.call(store, "set", "a", 1) is None
    await second.send(b"INCR other\r\n")
    assert await second.readline() == b":1\r\n"
    assert await first.receive_exactly(9) == b"+OK\r\n:2\r\n"
    system.kill_worker(2)
    first.reset()
    second.shutdown_write()
    assert await system.call(store, "incr", "a") == 2
    assert await second.receive_all() == b""


REDIS = {"config": "../../config/redis.toml"}


@pytest.mark.skypy(**REDIS, seeds=50)
async def test_a_mixed_scenario_holds_in_every_order(system: System, connect: Connect) -> None:
    await mixed(system, connect)


@pytest.mark.soak
@pytest.mark.skypy(**REDIS, seeds=1000)
async def test_a_mixed_scenario_holds_in_a_thousand_orders(system: System, connect: Connect) -> None:
    await mixed(system, connect)


def test_a_seed_goes_the_same_way_in_another_process() -> None:
    code = "import sys; from tests.testing.test_seeds import play_race; print([play_race(n)[2] for n in range(5)])"
    runs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in "12"
    }
    assert len(runs) == 1
