"""Scenarios of actors on a real node, spread over two workers; in memory they are also played on one worker.

The scenarios are the functions `test_...` of the services in `services/`.
"""

import pytest

from tests.actors.harness import PLACEMENTS, SERVICES, RunningNode, scenarios
from tests.actors.test_in_memory import NOT_IN_MEMORY

TOPICS = sorted(file.stem for file in SERVICES.glob("*.py") if scenarios(file.stem))
PLAYED = [
    pytest.param(topic, name, placement, id=f"{topic}-{name[5:]}-{placement}")
    for topic in TOPICS
    for name in scenarios(topic)
    for placement in PLACEMENTS
    if placement == "apart" or name in NOT_IN_MEMORY
]


@pytest.mark.parametrize(("topic", "name", "placement"), PLAYED)
def test_a_scenario_ends_well_among_processes(stage: RunningNode, topic: str, name: str, placement: str) -> None:
    stage.play(topic, name, placement)
