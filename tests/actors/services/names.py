"""Names of actors: each belongs to one actor of the node as long as that actor lives."""

import asyncio
from typing import Any

import pytest

import skypy
from tests.actors.scenarios import Others, raises
from tests.actors.scenarios import play as play_scenario


@skypy.command
async def play(name: str, placement: str) -> dict[str, Any]:
    return await play_scenario(__name__, name, placement)


@skypy.command
def take(name: str) -> None:
    skypy.register(name)


@skypy.command
def ask(name: str) -> int | None:
    return skypy.query(name)


@skypy.command
def who() -> int:
    return skypy.self()


@skypy.command
async def take_and_leave(name: str) -> None:
    skypy.register(name)
    skypy.exit()


async def taken(other: int, name: str) -> skypy.RemoteError:
    error: skypy.RemoteError = await raises(skypy.RemoteError, skypy.call(other, "take", name))
    assert error.type_name == "NameTaken"
    return error


async def test_a_name_is_known_everywhere_as_soon_as_it_is_registered(others: Others) -> None:
    holder, other = await others.start("names"), await others.start("names")
    await skypy.call(holder, "take", ".holder")
    assert skypy.query(".holder") == holder
    assert await skypy.call(other, "ask", ".holder") == holder
    assert await skypy.call(holder, "ask", ".holder") == holder
    assert skypy.address(".holder") == holder
    assert await skypy.call(".holder", "who") == holder
    assert skypy.send(".holder", "who") is True


async def test_a_taken_name_is_refused_to_others_and_harmless_to_its_holder(others: Others) -> None:
    holder, other = await others.start("names"), await others.start("names")
    await skypy.call(holder, "take", ".taken")
    await skypy.call(holder, "take", ".taken")
    assert (await taken(other, ".taken")).text == f'the name ".taken" belongs to :{holder:08x}'
    with pytest.raises(skypy.NameTaken, match=f":{holder:08x}"):
        skypy.register(".taken")


async def test_an_actor_may_have_several_names_and_all_go_with_it(others: Others) -> None:
    holder, other = await others.start("names"), await others.start("names")
    names = [f".name {number} ünïcode" for number in range(3)]
    for name in names:
        await skypy.call(holder, "take", name)
    await skypy.kill(holder)
    for name in names:
        assert skypy.query(name) is None
        await skypy.call(other, "take", name)
        assert skypy.query(name) == other


async def test_a_name_goes_with_an_actor_that_exits(others: Others) -> None:
    holder, other = await others.start("names"), await others.start("names")
    await raises(skypy.ActorDead, skypy.call(holder, "take_and_leave", ".fleeting"))
    assert skypy.query(".fleeting") is None
    await skypy.call(other, "take", ".fleeting")
    assert skypy.query(".fleeting") == other


async def test_a_name_that_no_actor_has_is_dead(others: Others) -> None:
    other = await others.start("names")
    assert skypy.query(".nobody") is None
    assert await skypy.call(other, "ask", ".nobody") is None
    error = await raises(skypy.ActorDead, skypy.call(".nobody", "who"))
    assert error.reason == 'no actor has the name ".nobody"'
    assert skypy.send(".nobody", "who") is False
    with pytest.raises(TypeError):
        skypy.send(".nobody", "who", object())
    with pytest.raises(skypy.ActorDead):
        skypy.address(".nobody")


async def test_texts_that_cannot_be_names_are_refused(others: Others) -> None:
    other = await others.start("names")
    for wrong in ("", ".", "name", "name.", ":0100000a", ".new\nline", ".\ud800"):
        for verb in (skypy.register, skypy.query):
            with pytest.raises(ValueError, match="is not a name"):
                verb(wrong)
    for nonsense in (None, 1, b".name"):
        for verb in (skypy.register, skypy.query):
            with pytest.raises(TypeError):
                verb(nonsense)  # type: ignore[arg-type]
    await raises(ValueError, skypy.call(".\ud800", "who"))
    assert await skypy.call(other, "who") == other


async def test_one_of_many_actors_gets_a_name(others: Others) -> None:
    several = [await others.start("names") for _ in range(6)]
    for turn in range(5):
        name = f".wanted {turn}"
        answers = await asyncio.gather(*(skypy.call(one, "take", name) for one in several), return_exceptions=True)
        winners = [one for one, answer in zip(several, answers, strict=True) if answer is None]
        assert len(winners) == 1
        assert skypy.query(name) == winners[0]
        losers = [answer for answer in answers if answer is not None]
        assert all(isinstance(error, skypy.RemoteError) and error.type_name == "NameTaken" for error in losers)


async def test_a_name_passes_from_one_to_the_next_at_once(others: Others) -> None:
    for _ in range(20):
        holder = await others.start("names")
        await skypy.call(holder, "take", ".crown")
        assert await skypy.call(".crown", "who") == holder
        await skypy.kill(holder)
