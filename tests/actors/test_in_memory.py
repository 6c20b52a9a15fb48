"""The scenarios of real nodes, played on systems in memory: they show that the fake behaves as a real node does."""

from dataclasses import replace
from pathlib import Path

import pytest

from skypy.core.settings import Settings
from skypy.testing import System
from tests.actors.harness import PLACEMENTS, SERVICES, scenarios

TOPICS = sorted(file.stem for file in SERVICES.glob("*.py") if scenarios(file.stem))
NOT_IN_MEMORY = {
    "test_a_class_that_the_other_worker_does_not_know_is_the_callers_error": (
        "one interpreter has one table of registered types: in memory every worker knows them all"
    ),
    "test_handlers_that_compute_do_not_hold_back_what_was_sent": (
        "a turn ends after 2 ms of computing, and the clock in memory stands still while code runs"
    ),
}
"""Scenarios about something that does not exist in memory, with the reason."""

pytestmark = pytest.mark.skypy(service_path=["services"], env={"color": "green"})


@pytest.fixture(scope="module")
def no_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a file that is no Python, which tools that read our files would not like."""
    folder = tmp_path_factory.mktemp("services")
    (folder / "no_python.py").write_text("this is no Python\n")
    return folder


@pytest.fixture
def skypy_settings(skypy_settings: Settings, no_python: Path) -> Settings:
    return replace(skypy_settings, service_path=(*skypy_settings.service_path, str(no_python)))


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize(
    ("topic", "name"),
    [
        pytest.param(topic, name, id=f"{topic}-{name[5:]}")
        for topic in TOPICS
        for name in scenarios(topic)
        if name not in NOT_IN_MEMORY
    ],
)
async def test_a_scenario_ends_well_in_memory(system: System, topic: str, name: str, placement: str) -> None:
    player = await system.newservice(topic, worker=1)
    outcome = await system.call(player, "play", name, placement)
    for pattern in outcome["expected"]:
        system.expect_error(pattern)
    for actor in (*outcome["started"], player):
        await system.kill(actor)
    assert not outcome["error"], outcome["error"]
