"""A seed decides what nobody has promised, finds races, and repeats exactly."""

import random
from collections import Counter
from pathlib import Path

from skypy.core.settings import Settings
from skypy.testing.system import System

SERVICES = str(Path(__file__).parent / "services")
ECHO = str(Path(__file__).parents[2] / "services")


def play_race(seed: int) -> tuple[int, list[str], int]:
    """Two workers pay into a bank that loses a payment when they come too close together."""
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

    system.run_as_actor(race)
    assert system.end() == []
    return balance, system.lines, system.loop.fingerprint


def test_a_planted_race_is_found_and_the_seed_repeats_it() -> None:
    outcomes = {seed: play_race(seed) for seed in range(30)}
    assert Counter(balance for balance, _, _ in outcomes.values()).keys() == {1, 2}
    for seed in random.Random(1).sample(range(30), 5):
        assert play_race(seed) == outcomes[seed]
