"""A probe records messages, answers as a test tells it, and is the address of its actor."""

import pytest

import skypy
from skypy.testing import StartProbe, System


async def test_it_records_the_source_of_each_message(system: System, probe: StartProbe) -> None:
    ear = await probe()
    store = await system.newservice("payer")
    await system.call(store, "pay", ear, 3)
    assert await ear.receive() == (store, "pay_in", (3,), {})
    assert len(ear.received) == 1


async def test_it_answers_with_values_functions_and_errors(system: System, probe: StartProbe) -> None:
    mouth = await probe()
    mouth.answer("name", "probe")
    mouth.answer("double", lambda number: number * 2)
    mouth.answer("fail", ValueError("as it was told"))
    assert await system.call(mouth, "name") == "probe"
    assert await system.call(mouth, "double", 21) == 42
    assert await system.call(mouth, "whatever") is None
    with pytest.raises(skypy.RemoteError, match="ValueError: as it was told"):
        await system.call(mouth, "fail")


async def test_the_test_itself_is_an_actor(system: System, probe: StartProbe) -> None:
    ear = await probe()
    skypy.send(ear, "hello")
    assert (await ear.receive()).source == skypy.self()
    assert f"{skypy.self():08x}".startswith("ffff")
