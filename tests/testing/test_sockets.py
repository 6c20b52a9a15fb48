"""Everything that a test can do to a connection in memory, as a service meets it."""

import pytest

from skypy.testing import Clock, Connect, System

pytestmark = pytest.mark.skypy(service_path=["../contract/services"])


async def test_held_bytes_arrive_when_they_are_released(system: System, connect: Connect) -> None:
    service = await system.newservice("line_echo")
    client = await connect(await system.call(service, "port"))
    client.hold()
    await client.send(b"late\n")
    await system.wait_idle()
    assert await system.call(service, "lines") == []
    client.release()
    assert await client.readline() == b"late\n"


async def test_a_line_may_come_byte_by_byte(system: System, connect: Connect) -> None:
    service = await system.newservice("line_echo")
    client = await connect(await system.call(service, "port"))
    client.split(1)
    await client.send(b"in pieces\n")
    assert await client.readline() == b"in pieces\n"
    assert await system.call(service, "lines") == ["in pieces"]


async def test_a_slow_reader_holds_the_service_back_and_loses_nothing(system: System, connect: Connect) -> None:
    service = await system.newservice("line_echo")
    client = await connect(await system.call(service, "port"))
    client.limit_receive_buffer(1000)
    await client.send(b"flood\n")
    await system.wait_idle()
    assert await client.receive_all() == b"x" * 3_000_000


@pytest.mark.skypy(socket={"flush_timeout": 20.0})
async def test_a_client_that_never_reads_is_given_up_in_time(system: System, connect: Connect, clock: Clock) -> None:
    system.expect_error("socket: error on .* not delivered in time")
    service = await system.newservice("line_echo")
    client = await connect(await system.call(service, "port"))
    await client.send(b"flood\n")
    await clock.advance(25.0)
    with pytest.raises(ConnectionResetError):
        await client.receive_all()


async def test_a_port_is_taken_once(system: System) -> None:
    await system.newservice("fixed_port", 7000)
    with pytest.raises(Exception, match="Address already in use"):
        await system.newservice("fixed_port", 7000)
