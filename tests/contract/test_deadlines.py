"""Deadlines of sockets, on the clock of a test and on the real one."""

import pytest

from tests.contract.conftest import Place
from tests.contract.tap import MORE_THAN_FITS, case, start

LIMITS = {"linger": 0.2, "flush_timeout": 0.4, "claim_timeout": 0.2, "half_close_timeout": 0.2}

pytestmark = pytest.mark.skypy(socket=LIMITS)


@case
async def test_a_client_that_no_actor_starts_is_closed(tapped: Place) -> None:
    tapped.allow_error("claim")
    client, held = await (await start(tapped)).client(start=False)
    assert await client.receive_all() == b""
    assert await held.do("start") == ["SocketClosed", None]


@case
async def test_a_peer_that_does_not_finish_after_a_close_is_dropped(tapped: Place) -> None:
    client, held = await (await start(tapped)).client()
    await held.do("write", b"last")
    await held.do("close")
    assert await client.receive_all() == b"last"
    assert await held.tap.do("counted", "linger") == 1


@case
async def test_a_peer_that_takes_nothing_after_a_close_is_reset(tapped: Place) -> None:
    tapped.expect_error("socket: error on .* not delivered in time")
    client, held = await (await start(tapped)).client()
    await held.do("write_much", MORE_THAN_FITS)
    await held.do("close")
    assert await held.tap.do("counted", "flush_timeout") == 1
    with pytest.raises(ConnectionResetError):
        await client.receive_all()


@case
async def test_a_peer_that_has_finished_and_is_left_alone_is_closed(tapped: Place) -> None:
    tapped.allow_error("half_close")
    client, held = await (await start(tapped)).client()
    client.shutdown_write()
    assert await client.receive_all() == b""
    assert await held.do("end", "half_close_timeout") == ["eof", "half_close_timeout"]
