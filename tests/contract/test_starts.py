"""The start of services that cannot be loaded, and of more services than a worker has addresses."""

from pathlib import Path

import pytest

import skypy
from skypy.core.address import process_number_of
from skypy.core.settings import Settings
from tests.contract.conftest import SERVICES, Place
from tests.contract.test_death import line

RAISING = "class Silent(Exception):\n    def __str__(self):\n        raise {}\n    __repr__ = __str__\nraise Silent"
BROKEN = {
    "too_deep": (f"x = {'-' * 100_000}1", "cannot be loaded"),
    "no_python": ("x = b'", "SyntaxError"),
    "no_bytes": ("x = '\0'", "cannot be loaded"),
    "no_memory": ("raise MemoryError", "MemoryError"),
    "recursive": ("def f(): f()\nf()", "RecursionError"),
    "no_file": ("open('/is/not/there')", "FileNotFoundError"),
    "interrupted": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "exiting": ("raise SystemExit(3)", "SystemExit: 3"),
    "generator": ("raise GeneratorExit", "GeneratorExit"),
    "cancelled": ("import asyncio\nraise asyncio.CancelledError('no')", "CancelledError: no"),
    "iterator": ("raise StopIteration", "StopIteration"),
    "grouped": ("raise BaseExceptionGroup('all', [SystemExit(3), ValueError('one')])", "ValueError: one"),
    "surrogate": ("raise ValueError('\\ud800')", r"ValueError: (\\ud800|\ud800)"),
    "verbose": ("raise ValueError('x' * 3_000_000)", "ValueError: xxx"),
    "silent": (RAISING.format("ValueError"), "Silent: <exception str"),
    "silent_by_exit": (RAISING.format("SystemExit"), "Silent: <exception str"),
    "silent_by_cancel": ("import asyncio\n" + RAISING.format("asyncio.CancelledError"), "Silent: <exception str"),
    "untraceable": (
        "class Hidden(Exception):\n    __traceback__ = property(lambda self: 1 / 0)\nraise Hidden",
        "Hidden: <its traceback cannot be shown>",
    ),
}
"""Sources of services, each with a pattern of the words about its error."""


@pytest.fixture
def skypy_settings(tmp_path: Path) -> Settings:
    folder = tmp_path / "broken"
    folder.mkdir()
    for name, (source, _) in BROKEN.items():
        (folder / f"{name}.py").write_text(source)
    return Settings("starts.toml", "", 2, (str(folder), SERVICES))


# -- whatever loading raises reaches the one who has asked -------------------------------------------------------------


async def test_an_error_of_loading_is_the_error_of_the_start_wherever_that_is(place: Place) -> None:
    for name, (_, words) in BROKEN.items():
        for worker in (1, 2, None, None):
            with pytest.raises(skypy.ServiceError, match=words):
                await place.newservice(name, worker=worker)
        with pytest.raises(skypy.ServiceError, match=words):
            await place.uniqueservice(name)
    generous = await place.newservice("generous", worker=2)
    assert await place.call(generous, "lives")


# -- addresses that run out --------------------------------------------------------------------------------------------


async def test_a_worker_without_addresses_is_followed_by_a_process_with_a_new_number(place: Place) -> None:
    first = await place.newservice("generous", worker=2)
    await place.call(first, "leave", 2)
    born = [await place.newservice("generous", worker=2) for _ in range(4)]
    assert [process_number_of(one) for one in (first, *born)] == [2, 2, 2, 3, 3]
    assert all([await place.call(one, "lives") for one in (first, *born)])
    for one in (first, *born[:2]):
        await place.kill(one)
    await line(place, r"^\[node\] worker 2, which had given out all its addresses, has ended with its last actor$")
    assert process_number_of(await place.newservice("generous", worker=2)) == 3


async def test_services_without_a_place_of_their_own_start_in_workers_with_addresses(place: Place) -> None:
    generous = [await place.newservice("generous", worker=worker) for worker in (1, 2)]
    for one in generous:
        await place.call(one, "leave", 1)
    anywhere = [await place.newservice("generous") for _ in range(8)]
    of_one = [await place.call(generous[0], "start", None) for _ in range(8)]
    assert {process_number_of(one) for one in anywhere + of_one} == {1, 2, 3, 4}
    assert all([await place.call(one, "lives") for one in generous + anywhere + of_one])


async def test_here_is_anywhere_in_a_worker_without_addresses(place: Place) -> None:
    first = await place.newservice("generous", worker=2)
    await place.call(first, "leave", 1)
    born = [await place.call(first, "start", "here") for _ in range(4)]
    assert process_number_of(born[0]) == 2
    assert {process_number_of(one) for one in born[1:]} <= {1, 3}
    assert all([await place.call(one, "lives") for one in born])
