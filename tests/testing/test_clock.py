"""The clock jumps, is moved by hand, or stands still."""

import asyncio
import time

import pytest

from skypy.testing import Clock, Connect, System


async def test_an_hour_passes_at_once(system: System, clock: Clock) -> None:
    began = time.monotonic()
    service = await system.newservice("clockwork")
    assert await system.call(service, "sleep", 3600.0) == 3600.0
    assert await system.call(service, "give_up", 3600.0) == 3600.0
    assert clock.now == 7200.0
    assert time.monotonic() - began < 60


async def test_timers_fire_in_their_order(system: System, probe) -> None:  # type: ignore[no-untyped-def]
    ear = await probe()
    services = [await system.newservice("clockwork") for _ in range(3)]
    for service, seconds in zip(services, (3.0, 1.0, 2.0), strict=True):
        system.send(service, "alarm", seconds, ear)
    assert [(await ear.receive()).args[0] for _ in services] == [1.0, 2.0, 3.0]


async def test_by_hand_it_goes_as_far_as_it_is_told(system: System, clock: Clock, probe) -> None:  # type: ignore[no-untyped-def]
    clock.autojump = False
    ear = await probe()
    service = await system.newservice("clockwork")
    system.send(service, "alarm", 5.0, ear)
    await clock.advance(4.0)
    assert ear.received == []
    await clock.advance(1.0)
    assert [message.command for message in ear.received] == ["ring"]
    assert clock.now == 5.0


async def test_a_thread_is_waited_for(system: System, clock: Clock) -> None:
    service = await system.newservice("clockwork")
    async with asyncio.timeout(1):
        assert await system.call(service, "in_a_thread") == "from a thread"
    assert clock.now == 0.0


@pytest.mark.skypy(config="../../config/echo.toml", socket={"claim_timeout": 10.0})
async def test_idle_is_reached_without_the_clock(system: System, clock: Clock, connect: Connect) -> None:
    client = await connect(8888)
    await client.send(b"a\n")
    await system.wait_idle()
    assert clock.now == 0.0
    assert await client.readline() == b"a\n"
