"""The listener with agents on all workers, as its user would test it."""

import pytest

from skypy.testing import Connect, System

pytestmark = pytest.mark.skypy(config="../../config/agents.toml")


async def ask(connect: Connect, *lines: bytes) -> list[bytes]:
    """Return the answers to the lines of a new client."""
    client = await connect(8888)
    await client.send(b"".join(line + b"\n" for line in (*lines, b"quit")))
    return (await client.receive_all()).splitlines()


async def test_clients_of_different_agents_share_the_store(connect: Connect) -> None:
    assert await ask(connect, b"who", b"set a 1") == [b"agent :01000002", b"None"]
    assert await ask(connect, b"who", b"incr n", b"get a") == [b"agent :02000001", b"1", b"1"]


@pytest.mark.parametrize("worker", [1, 2])
async def test_new_clients_are_served_after_the_death_of_a_worker(
    system: System, connect: Connect, worker: int
) -> None:
    for _ in range(2):
        await ask(connect, b"who", b"set a 1")
    for death in range(2):
        system.kill_worker(worker)
        await system.wait_idle()
        agents = set()
        for _ in range(4):
            who, value = await ask(connect, b"who", b"set a 1")
            assert value in (b"None", b"1")
            agents.add(who)
        assert len(agents) == 2
        assert any(who.startswith(b"agent :%02x" % (3 + death)) for who in agents)
