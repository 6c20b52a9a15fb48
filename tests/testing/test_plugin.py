"""The messages of the plugin about tests that ask for the impossible, and about services that fail."""

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
SERVICES = Path(__file__).parent / "services"


def play(pytester: pytest.Pytester, text: str) -> str:
    """Play a test file, and return the output of pytest."""
    pytester.makepyfile(text.replace("SERVICES", f"service_path=[{str(SERVICES)!r}], env={{'port': '7'}}"))
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:hypothesispytest")
    return "\n".join(result.outlines)


MARKED = """
import pytest
@pytest.mark.skypy({})
async def test_it(system): pass
"""


@pytest.mark.parametrize(
    ("marker", "said"),
    [
        ("wrkers=3", ".py: wrkers: unknown key; did you mean workers?"),
        ("socket={'lingr': 3}", ".py: socket.lingr: unknown key; did you mean socket.linger?"),
        ("workers=0", ".py: workers: must be a whole number from 1 to 64"),
        ("env={'port': 7}", '.py: env.port: must be a string; write port = "7"'),
        ("config='nowhere.toml'", "nowhere.toml: No such file or directory"),
        ("3", ".py: @pytest.mark.skypy: takes keys, like workers=3, not 3"),
        ("start='nobody', SERVICES", 'no service "nobody"'),
    ],
)
def test_a_node_that_cannot_be_says_why(pytester: pytest.Pytester, marker: str, said: str) -> None:
    said_by_pytest = play(pytester, MARKED.format(marker))
    assert "1 error" in said_by_pytest
    assert said in said_by_pytest
    assert "During handling" not in said_by_pytest


@pytest.mark.parametrize(
    ("test", "said"),
    [
        ("def test_it(system): pass", "write `async def`"),
        ("async def test_it(system, node): pass", "a test has either `system` or `node`"),
    ],
)
def test_a_test_that_cannot_be_says_why(pytester: pytest.Pytester, test: str, said: str) -> None:
    assert said in play(pytester, test)


def test_markers_are_put_together_key_by_key(pytester: pytest.Pytester) -> None:
    text = """
import pytest
pytestmark = pytest.mark.skypy(workers=3, env={"a": "1", "b": "1"}, socket={"linger": 1.0})

@pytest.mark.skypy(env={"b": "2"})
async def test_it(skypy_settings, system):
    assert skypy_settings.workers == 3
    assert skypy_settings.env == {"a": "1", "b": "2"}
    assert skypy_settings.socket.linger == 1.0
"""
    assert "1 passed" in play(pytester, text)


def test_an_error_in_a_service_is_shown_where_it_was_raised(pytester: pytest.Pytester) -> None:
    text = """
import pytest
@pytest.mark.skypy(SERVICES)
async def test_it(system):
    await system.call(await system.newservice("leaky"), "fail")
"""
    said = play(pytester, text)
    assert "in the service:" in said
    assert "1 / 0" in said
    assert "verbs/messages.py" not in said


def test_async_fixtures_run_in_the_system_before_and_after_the_test(pytester: pytest.Pytester) -> None:
    text = """
import pytest
pytestmark = pytest.mark.skypy(SERVICES)
events = []

@pytest.fixture
async def service(system):
    return await system.newservice("clockwork")

@pytest.fixture
async def session(system, service):
    events.append("begins")
    yield service
    await system.kill(service)
    events.append("has ended")

async def test_it(system, session):
    assert await system.call(session, "sleep", 1.0) == 1.0
    assert events == ["begins"]

def test_afterwards():
    assert events == ["begins", "has ended"]
"""
    assert "2 passed" in play(pytester, text)


def test_a_test_that_goes_on_for_ever_is_given_up(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skypy.testing.memory.loop._TOO_BUSY", 1000)
    text = """
import asyncio
async def test_it(system):
    while True:
        await asyncio.sleep(0)
"""
    assert "it goes on without end: something always runs" in play(pytester, text)
