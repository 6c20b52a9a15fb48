"""The Redis-protocol server, as its user would test it."""

import pytest

from skypy.testing import Connect, System

pytestmark = pytest.mark.skypy(config="../../config/redis.toml")


async def test_clients_of_different_agents_share_the_store(connect: Connect) -> None:
    first, second = await connect(6380), await connect(6380)
    await first.send(b"SET a 1\r\n")
    assert await first.readline() == b"+OK\r\n"
    await second.send(b"INCR a\r\nGET a\r\n")
    assert await second.receive_exactly(11) == b":2\r\n$1\r\n2\r\n"


@pytest.mark.parametrize("worker", [1, 2])
async def test_new_clients_are_served_after_the_death_of_a_worker(
    system: System, connect: Connect, worker: int
) -> None:
    client = await connect(6380)
    await client.send(b"SET a 1\r\n")
    assert await client.readline() == b"+OK\r\n"
    system.kill_worker(worker)
    await system.wait_idle()
    for _ in range(4):
        client = await connect(6380)
        await client.send(b"SET a 1\r\nGET a\r\n")
        assert await client.receive_exactly(12) == b"+OK\r\n$1\r\n1\r\n"


@pytest.mark.skypy(seeds=10)
async def test_a_command_may_come_in_pieces(connect: Connect) -> None:
    client = await connect(6380)
    await client.send(b"*1\r\n$4\r\nPI")
    await client.send(b"NG\r\n")
    assert await client.readline() == b"+PONG\r\n"
