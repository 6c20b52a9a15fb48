"""What actors do with each other, each scenario twice: all actors on one worker, and spread over two.

The scenarios are the functions `test_...` of the services in `services/`.
"""

import pytest

from tests.actors.harness import PLACEMENTS, SERVICES, RunningNode, scenarios

TOPICS = sorted(file.stem for file in SERVICES.glob("*.py") if scenarios(file.stem))


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize(
    ("topic", "name"),
    [pytest.param(topic, name, id=f"{topic}-{name[5:]}") for topic in TOPICS for name in scenarios(topic)],
)
def test_it(stage: RunningNode, topic: str, name: str, placement: str) -> None:
    stage.play(topic, name, placement)
