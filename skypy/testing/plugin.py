"""The pytest plugin: the fixtures `system`, `clock`, `probe` and `connect`, and async tests that use them.

It is loaded by every pytest where skypy is installed, so it loads nothing before a test asks for it.
"""

from __future__ import annotations

import functools
import gc
import inspect
import os
import zlib
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from skypy.core.settings import Settings
    from skypy.testing.client import Connect
    from skypy.testing.clock import Clock
    from skypy.testing.probe import StartProbe
    from skypy.testing.system import System

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
    count = metafunc.config.getoption("--skypy-seeds") or _marked(metafunc.definition).get("seeds", 1)
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
    return _settings(request.node)


@pytest.fixture
def system(skypy_settings: Settings, skypy_seed: int) -> Iterator[System]:
    """A node in memory, which has started; see `skypy.testing.system.System`."""
    from skypy.testing.system import System

    _forget_about_what_is_loaded()
    system = System(skypy_settings, skypy_seed)
    try:
        system.begin()
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
def connect(system: System) -> Connect:
    """Connects to a port on which a service listens."""
    return system.connect


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """An async test with the fixture `system` runs as an actor of it; afterwards nothing may be left."""
    system: System | None = getattr(pyfuncitem, "funcargs", {}).get("system")
    if system is None or not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters}
    system.run_as_actor(functools.partial(pyfuncitem.obj, **arguments))
    if problems := system.end():
        pytest.fail("\n".join(problems), pytrace=False)
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    del call
    report = yield
    system: System | None = getattr(item, "funcargs", {}).get("system")
    if system is not None and report.failed:
        text = f"skypy seed {system.seed}; repeat with --skypy-seed {system.seed}"
        report.sections.append(("skypy", "\n".join([text, *system.lines])))
    return report


@functools.cache
def _forget_about_what_is_loaded() -> None:
    """The collection after every test need not look at pytest and the tests themselves."""
    gc.collect()
    gc.freeze()


def _marked(item: pytest.Item) -> dict[str, Any]:
    """What the markers of a test, its class and its module say; the closest wins."""
    values: dict[str, Any] = {}
    for marker in reversed(list(item.iter_markers("skypy"))):
        values |= marker.kwargs
    return values


def _settings(item: pytest.Item) -> Settings:
    from dataclasses import replace

    from skypy.config import load
    from skypy.core.settings import Settings, SocketSettings

    values = _marked(item)
    values.pop("seeds", None)
    folder = item.path.parent
    file = values.pop("config", None)
    if file is not None:
        settings = load(os.path.relpath(folder / file), ())
    else:
        settings = Settings("the settings of the test", "", 2, _service_path(item))
    if "service_path" in values:
        values["service_path"] = tuple(str((folder / one).resolve()) for one in values["service_path"])
    if "env" in values:
        values["env"] = {**settings.env, **values["env"]}
    if "socket" in values:
        values["socket"] = SocketSettings(**values["socket"])
    return replace(settings, **values)


def _service_path(item: pytest.Item) -> tuple[str, ...]:
    """As the ini file says, or `services` beside the test, or at the root, or where the test itself is."""
    given: list[Any] = item.config.getini("skypy_service_path")
    if given:
        return tuple(map(str, given))
    folder = item.path.parent
    places = (folder / "services", item.config.rootpath / "services", folder)
    return (str(next(place for place in places if place.is_dir())),)
