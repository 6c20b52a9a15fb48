"""The same scenarios on a system in memory: so the fake is proven by what real nodes do, and they run in seconds."""

import asyncio
from pathlib import Path

import pytest

from skypy.testing.system import System
from tests.actors.harness import PLACEMENTS, SERVICES, scenarios

TOPICS = sorted(file.stem for file in SERVICES.glob("*.py") if scenarios(file.stem))
BROKEN = Path(__file__).parent / "services_in_memory"

pytestmark = pytest.mark.skypy(service_path=["services"], env={"color": "green"})


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize(
    ("topic", "name"),
    [pytest.param(topic, name, id=f"{topic}-{name[5:]}") for topic in TOPICS for name in scenarios(topic)],
)
async def test_it(system: System, topic: str, name: str, placement: str) -> None:
    player = await system.newservice(topic, worker=1)
    outcome = await system.call(player, "play", name, placement)
    for pattern in outcome["expected"]:
        system.expect_error(pattern)
    assert not outcome["error"], outcome["error"]
