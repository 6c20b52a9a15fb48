"""Entries of [env] that services add, and the node's time."""

import time
from typing import Any

import skypy
from tests.actors.scenarios import Others, raises
from tests.actors.scenarios import play as play_scenario


@skypy.command
async def play(name: str, placement: str) -> dict[str, Any]:
    return await play_scenario(__name__, name, placement)


@skypy.command
def setting(key: str) -> str:
    return skypy.getenv(key, "not there")


@skypy.command
async def add(key: str, value: Any) -> None:
    skypy.setenv(key, value)


@skypy.command
def clock() -> list[float]:
    return [skypy.now(), skypy.starttime()]


async def test_a_setting_that_a_service_adds_is_there_for_all(others: Others) -> None:
    one, two = await others.start("settings_and_time"), await others.start("settings_and_time")
    key = f"added_{others.together}"
    assert [await skypy.call(actor, "setting", key) for actor in (one, two)] == ["not there"] * 2
    await skypy.call(one, "add", key, "")
    assert [await skypy.call(actor, "setting", key) for actor in (one, two)] == [""] * 2
    assert skypy.getenv(key) == ""


async def test_a_setting_never_changes(others: Others) -> None:
    one, two = await others.start("settings_and_time"), await others.start("settings_and_time")
    key = f"fixed_{others.together}"
    await skypy.call(one, "add", key, "first")
    for actor in (one, two):
        error = await raises(skypy.RemoteError, skypy.call(actor, "add", key, "second"))
        assert str(error) == f'ValueError: "{key}" is in [env] already: an entry never changes'
    assert [await skypy.call(actor, "setting", key) for actor in (one, two)] == ["first"] * 2
    error = await raises(skypy.RemoteError, skypy.call(two, "add", "color", "red"))
    assert error.type_name == "ValueError"  # the config has it
    assert await skypy.call(two, "setting", "color") == "green"


async def test_a_setting_is_text(others: Others) -> None:
    one = await others.start("settings_and_time")
    assert (await raises(skypy.RemoteError, skypy.call(one, "add", "port", 80))).type_name == "TypeError"
    assert await skypy.call(one, "setting", "port") == "not there"


async def test_time_is_the_nodes_and_goes_on(others: Others) -> None:
    one, two = await others.start("settings_and_time"), await others.start("settings_and_time")
    clocks: list[list[float]] = []
    for actor in (one, two, one):
        clocks.append(await skypy.call(actor, "clock"))
        await skypy.sleep(0.001)
    assert 0 <= clocks[0][0] < clocks[1][0] < clocks[2][0] < skypy.now()
    assert {start for _, start in clocks} == {skypy.starttime()}
    assert skypy.starttime() <= time.time()
