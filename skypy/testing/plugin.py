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
    from skypy.testing.probe import StartProbe
    from skypy.testing.processes.node import Node

_MARKER = (
    "skypy(config=, start=, workers=, service_path=, env=, socket=, seeds=): "
    "the node that the fixture `system` is; see docs/testing.md"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("skypy")
    group.addoption("--skypy-seed", type=int, help="the order in which things happen: repeats a test that has failed")
    group.addoption("--skypy-seeds", type=int, help="play every test of the fixture `system` with so many seeds")
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
    """What decides the order: the option, or a number that belongs to the test's name."""
    given = request.config.getoption("--skypy-seed")
    return zlib.crc32(request.node.nodeid.encode()) if given is None else int(given)


@pytest.fixture
def skypy_settings(request: pytest.FixtureRequest) -> Settings:
    """What the node is, as the markers say; a fixture of the same name may change it."""
    from skypy.core.errors import ConfigError
    from skypy.testing.marker import read_settings

    try:
        return read_settings(request.node)
    except ConfigError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


@pytest.fixture
def system(skypy_settings: Settings, skypy_seed: int) -> Iterator[System]:
    """A node in memory, which has started; see `skypy.testing.memory.system.System`."""
    from skypy.testing.memory.system import System

    _forget_about_what_is_loaded()
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
    """Starts a probe."""
    return system.probe


@pytest.fixture
def node(skypy_settings: Settings, tmp_path: Path) -> Iterator[Node]:
    """A node of real processes, which has started; see `skypy.testing.processes.node.Node`."""
    from skypy.testing.processes.node import Node

    node = Node(skypy_settings, tmp_path)
    try:
        _begin(node)
        yield node
    finally:
        node.end()


def _begin(place: System | Node) -> None:
    from skypy.testing.tested_node import NotStarted

    try:
        place.begin()
    except NotStarted as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


@pytest.fixture
def connect(system: System) -> Connect:
    """Connects to a port on which a service of the system listens; `node.connect` is for a node."""
    return system.connect


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> None:
    """An async fixture of a test with `system` or `node` runs there, before and after the test."""
    place = _place(request.node)
    if place is not None:
        from skypy.testing.asynchronous import run_fixture_in

        run_fixture_in(place, fixturedef)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """An async test with `system` runs as an actor of it, one with `node` beside it; afterwards nothing may be left."""
    place = _place(pyfuncitem)
    if place is None:
        return None
    from skypy.testing.asynchronous import run_test_in

    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters}
    if {"system", "node"} <= arguments.keys():
        pytest.fail("a test has either `system` or `node`: it cannot be in both", pytrace=False)
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        if not any(value is place for value in arguments.values()):
            return None
        pytest.fail("a test with `system` or `node` is an async function: write `async def`", pytrace=False)
    problems = run_test_in(place, functools.partial(pyfuncitem.obj, **arguments))
    if problems:
        pytest.fail("\n".join(problems), pytrace=False)
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    del call
    report = yield
    place = _place(item)
    if place is None:
        return report
    if report.failed:
        report.sections.append(("skypy", "\n".join([*place.how_to_repeat(), *place.lines])))
    _make_sendable(report)
    return report


def _make_sendable(report: pytest.TestReport) -> None:
    """Escape half characters, which services may log and raise: what pytest-xdist has to say must be UTF-8."""
    report.sections = [(title, _escaped(text)) for title, text in report.sections]
    told = str(report.longrepr or "")
    if _escaped(told) != told:
        report.longrepr = _escaped(told)


def _escaped(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _place(item: pytest.Item) -> System | Node | None:
    values = getattr(item, "funcargs", {})
    named = [values[name] for name in ("node", "system") if name in values]
    if not named:
        return None
    from skypy.testing.memory.system import System
    from skypy.testing.processes.node import Node

    return next((one for one in named if isinstance(one, Node | System)), None)  # others have fixtures of such names


@functools.cache
def _forget_about_what_is_loaded() -> None:
    """The collection after every test need not look at pytest and the tests themselves."""
    gc.collect()
    gc.freeze()


def _seeds(item: pytest.Item) -> int:
    if next(item.iter_markers("skypy"), None) is None:
        return 1
    from skypy.testing.marker import read_seeds

    return read_seeds(item)
