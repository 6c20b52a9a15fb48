"""The pytest plugin: the fixtures `system`, `node`, `clock`, `probe` and `connect`, and async tests that use them.

It is loaded by every pytest where skypy is installed, so it loads nothing before a test asks for it.
"""

from __future__ import annotations

import functools
import gc
import inspect
import zlib
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from skypy.core.settings import Settings
    from skypy.testing.client import Connect
    from skypy.testing.clock import Clock
    from skypy.testing.memory.system import System
    from skypy.testing.node_under_test import NodeUnderTest
    from skypy.testing.probe import StartProbe
    from skypy.testing.processes.node import Node

_MARKER = (
    "skypy(config=, start=, workers=, service_path=, env=, socket=, seeds=): "
    "the settings of the node behind the fixtures `system` and `node`; see docs/testing.md"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("skypy")
    group.addoption("--skypy-seed", type=int, help="the seed of the order of events: repeats a test that has failed")
    group.addoption("--skypy-seeds", type=int, help="play every test of the fixture `system` with this number of seeds")
    parser.addini("skypy_service_path", "folders with services, relative to the ini file", type="paths")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", _MARKER)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "skypy_seed" not in metafunc.fixturenames:
        return
    seed = metafunc.config.getoption("--skypy-seed")
    count = metafunc.config.getoption("--skypy-seeds") or _seeds(metafunc.definition)
    if seed is None and count > 1:
        metafunc.parametrize("skypy_seed", range(count), ids=[f"seed{number}" for number in range(count)])


@pytest.fixture
def skypy_seed(request: pytest.FixtureRequest) -> int:
    """The seed of the order of events: the option, or a number that belongs to the test's name."""
    given = request.config.getoption("--skypy-seed")
    return zlib.crc32(request.node.nodeid.encode()) if given is None else int(given)


@pytest.fixture
def skypy_settings(request: pytest.FixtureRequest) -> Settings:
    """The settings of the node, from the markers; a fixture of this name may change them."""
    from skypy.core.errors import ConfigError
    from skypy.testing.marker import read_settings

    try:
        return read_settings(request.node)
    except ConfigError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


@pytest.fixture
def system(skypy_settings: Settings, skypy_seed: int) -> Iterator[System]:
    """A node in memory, started; see `skypy.testing.memory.system.System`."""
    from skypy.testing.memory.system import System

    _freeze_loaded_modules()
    system = System(skypy_settings, skypy_seed)
    try:
        _begin(system)
        yield system
    finally:
        system.end()


@pytest.fixture
def clock(system: System) -> Clock:
    """The clock of the system."""
    from skypy.testing.clock import Clock

    return Clock(system.loop)


@pytest.fixture
def probe(system: System) -> StartProbe:
    """A coroutine function that starts a probe."""
    return system.probe


@pytest.fixture
def node(skypy_settings: Settings, tmp_path: Path) -> Iterator[Node]:
    """A node of real processes, started; see `skypy.testing.processes.node.Node`."""
    from skypy.testing.processes.node import Node

    node = Node(skypy_settings, tmp_path)
    try:
        _begin(node)
        yield node
    finally:
        node.end()


def _begin(node: NodeUnderTest) -> None:
    from skypy.testing.node_process import NotStarted

    try:
        node.begin()
    except NotStarted as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


@pytest.fixture
def connect(system: System) -> Connect:
    """A coroutine function that connects to a port of the system; for a real node there is `node.connect`."""
    return system.connect


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> None:
    """Run the async fixtures of a test with `system` or `node` there, before and after the test."""
    node = _node_of(request.node)
    if node is not None:
        from skypy.testing.asynchronous import run_fixture_in

        run_fixture_in(node, fixturedef)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an async test with `system` as an actor in it, one with `node` beside it; afterwards nothing may be left."""
    node = _node_of(pyfuncitem)
    if node is None:
        return None
    from skypy.testing.asynchronous import run_test_in

    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters}
    if {"system", "node"} <= arguments.keys():
        pytest.fail("a test has either `system` or `node`: it cannot be in both", pytrace=False)
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        if not any(value is node for value in arguments.values()):
            return None
        pytest.fail("a test with `system` or `node` is an async function: write `async def`", pytrace=False)
    problems = run_test_in(node, functools.partial(pyfuncitem.obj, **arguments))
    if problems:
        pytest.fail("\n".join(problems), pytrace=False)
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    del call
    report = yield
    node = _node_of(item)
    if node is None:
        return report
    if report.failed:
        report.sections.append(("skypy", "\n".join([*node.how_to_repeat(), *node.lines])))
    _make_sendable(report)
    return report


def _make_sendable(report: pytest.TestReport) -> None:
    """Escape lone surrogates, which services may log and raise: pytest-xdist sends reports as UTF-8."""
    report.sections = [(title, _escaped(text)) for title, text in report.sections]
    text = str(report.longrepr or "")
    if _escaped(text) != text:
        report.longrepr = _escaped(text)


def _escaped(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _node_of(item: pytest.Item) -> NodeUnderTest | None:
    """Return the node of a test that has one; other projects have fixtures of these names, too."""
    values = getattr(item, "funcargs", {})
    named = [values[name] for name in ("node", "system") if name in values]
    if not named:
        return None
    from skypy.testing.node_under_test import NodeUnderTest

    return next((one for one in named if isinstance(one, NodeUnderTest)), None)


@functools.cache
def _freeze_loaded_modules() -> None:
    """Spare the garbage collection after every test the objects of pytest and of the tests themselves."""
    gc.collect()
    gc.freeze()


def _seeds(item: pytest.Item) -> int:
    if next(item.iter_markers("skypy"), None) is None:
        return 1
    from skypy.testing.marker import read_seeds

    return read_seeds(item)
