"""The echo, as its user would test it."""

import pytest

from skypy.testing import Connect, System

pytestmark = pytest.mark.skypy(config="../../config/echo.toml")


async def test_lines_come_back(connect: Connect) -> None:
    client = await connect(8888)
    await client.send(b"hello\nworld\n")
    assert await client.readline() == b"hello\n"
    assert await client.readline() == b"world\n"


async def test_a_client_that_has_finished_sending_still_gets_everything(connect: Connect) -> None:
    client = await connect(8888)
    await client.send(b"last\n")
    client.shutdown_write()
    assert await client.receive_all() == b"last\n" + b"FINAL\n" * 10


async def test_a_reset_is_said_in_the_log(system: System, connect: Connect) -> None:
    system.expect_error("socket: error on .* Connection reset by peer")
    client = await connect(8888)
    await client.send(b"hello\n")
    client.reset()
