"""Writing to sockets and ending them, both ends in one actor."""

import asyncio

import pytest

import skypy
from skypy import socket
from tests.node.scenarios import connection, offer

LARGE = bytes(range(256)) * (1 << 16)
"""16 MiB: far more than the kernel takes for a peer that does not read."""


@skypy.start
async def main() -> None:
    await offer(__name__)


# -- write -------------------------------------------------------------------------------------------------------------


async def test_write_takes_bytes_or_a_mutable_that_changes_afterwards() -> None:
    async with connection() as (here, there):
        mutable = bytearray(b"b")
        assert socket.write(here, b"a")
        assert socket.write(here, mutable)
        assert socket.write(here, memoryview(b"xcx")[1:2])
        assert socket.write(here, b"")
        mutable[:] = b"?"
        assert await socket.read(there, 3) == b"abc"


async def test_other_types_than_bytes_are_refused() -> None:
    async with connection() as (here, _):
        for data in ("text", None, 3, [b"a"]):
            with pytest.raises(TypeError, match="a socket carries bytes"):
                socket.write(here, data)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="priority"):
            socket.write(here, b"x", "urgent")  # type: ignore[arg-type]


async def test_high_priority_goes_before_low() -> None:
    async with connection() as (here, there):
        socket.write(here, b"c", "low")
        socket.write(here, b"a")
        socket.write(here, b"b", "high")
        assert await socket.read(there, 3) == b"abc"


async def test_several_tasks_write_whole_messages() -> None:
    messages = [bytes([number]) * 300_000 for number in range(20)]
    async with connection() as (here, there):

        async def write(message: bytes) -> None:
            await asyncio.sleep(0)
            assert socket.write(here, message)

        async with asyncio.TaskGroup() as group:
            for message in messages:
                group.create_task(write(message))
        received = [await socket.read(there, 300_000) for _ in messages]
    assert sorted(received) == messages  # type: ignore[type-var]


async def test_write_to_an_unknown_socket_is_false() -> None:
    assert socket.write(1 << 40, b"x") is False


# -- drain -------------------------------------------------------------------------------------------------------------


async def test_drain_waits_for_a_slow_reader() -> None:
    order: list[str] = []
    async with connection() as (here, there):

        async def send() -> None:
            socket.write(here, LARGE)
            await socket.drain(here)
            order.append("drained")

        sending = skypy.fork(send)
        assert await socket.read(there, 1000) == LARGE[:1000]
        order.append("reading")
        assert await socket.read(there, len(LARGE) - 1000) == LARGE[1000:]
        await sending
    assert order == ["reading", "drained"]


async def test_drain_does_not_wait_where_little_is_unsent() -> None:
    async with connection() as (here, _):
        socket.write(here, b"x" * 1000)
        await socket.drain(here)


async def test_drain_of_a_socket_that_is_closed_meanwhile_raises_socket_closed() -> None:
    async with connection() as (here, there):
        socket.write(here, LARGE)
        draining = asyncio.create_task(socket.drain(here))
        await skypy.sleep(0)
        await socket.close(here)
        with pytest.raises(skypy.SocketClosed):
            await draining
        assert await socket.readall(there) == LARGE


async def test_drain_of_a_socket_whose_peer_resets_it_raises_socket_broken() -> None:
    async with connection() as (here, there):
        socket.write(here, LARGE)
        draining = asyncio.create_task(socket.drain(here))
        await skypy.sleep(0)
        socket.write(there, LARGE)
        await skypy.sleep(0.001)
        socket.shutdown(there)
        with pytest.raises(skypy.SocketBroken):
            await draining
        assert socket.write(here, b"x") is False


# -- close -------------------------------------------------------------------------------------------------------------


async def test_close_delivers_everything_and_then_the_end_of_file() -> None:
    async with connection() as (here, there):
        socket.write(here, LARGE)
        await socket.close(here)
        assert await socket.readall(there) == LARGE


async def test_after_close_write_is_false_and_everything_else_raises_socket_closed() -> None:
    async with connection() as (here, _):
        await socket.close(here)
        await socket.close(here)
        socket.shutdown(here)
        assert socket.write(here, b"x") is False
        for call in (socket.read, socket.readline, socket.readall, socket.start, socket.drain):
            with pytest.raises(skypy.SocketClosed):
                await call(here)
        with pytest.raises(skypy.SocketClosed):
            socket.peer_address(here)


async def test_a_listener_that_is_closed_refuses_clients_at_once() -> None:
    for _ in range(20):
        listener = await socket.listen("127.0.0.1", 0)
        port = socket.local_address(listener).port
        await socket.start(listener, print)
        await socket.close(listener)
        with pytest.raises(ConnectionRefusedError):
            await socket.open("127.0.0.1", port)


async def test_a_listener_carries_no_bytes() -> None:
    listener = await socket.listen("127.0.0.1", 0)
    with pytest.raises(TypeError, match="listens"):
        await socket.read(listener)
    with pytest.raises(TypeError, match="listens"):
        await socket.start(listener)
    assert socket.write(listener, b"x") is False
    await socket.close(listener)


async def test_a_connection_takes_no_accept_function() -> None:
    async with connection() as (here, _):
        with pytest.raises(TypeError, match="accept"):
            await socket.start(here, print)


# -- shutdown ----------------------------------------------------------------------------------------------------------


async def test_shutdown_w_sends_what_is_queued_and_goes_on_reading() -> None:
    async with connection() as (here, there):
        socket.write(here, LARGE)
        socket.shutdown(here, "w")
        socket.shutdown(here, "w")
        assert socket.write(here, b"x") is False
        assert await socket.readall(there) == LARGE
        socket.write(there, b"still there\n")
        assert await socket.readline(here) == b"still there"
        socket.shutdown(there, "w")
        assert await socket.read(here) is None


async def test_shutdown_r_ends_reading_and_goes_on_writing() -> None:
    async with connection() as (here, there):
        reading = skypy.fork(socket.read, here)
        await skypy.sleep(0.001)
        socket.shutdown(here, "r")
        assert await reading is None
        assert socket.write(there, LARGE)  # is taken and thrown away
        assert await socket.read(here) is None
        assert socket.write(here, b"still there\n")
        assert await socket.readline(there) == b"still there"
        await socket.drain(there)


async def test_shutdown_rw_drops_what_is_queued_and_the_peer_is_told_by_a_reset() -> None:
    async with connection() as (here, there):
        socket.write(here, LARGE)
        await skypy.sleep(0.001)
        socket.shutdown(here)
        with pytest.raises(skypy.SocketClosed):
            await socket.read(here)
        with pytest.raises(skypy.SocketBroken):
            await socket.readall(there)


async def test_shutdown_rw_drops_what_was_written_a_moment_ago_and_the_peer_is_told_by_a_reset() -> None:
    async with connection() as (here, there):
        socket.write(here, b"dropped")
        socket.shutdown(here)
        with pytest.raises(skypy.SocketBroken):
            await socket.readall(there)


async def test_shutdown_rw_of_a_socket_with_nothing_unsent_is_an_end_of_file() -> None:
    async with connection() as (here, there):
        socket.write(here, b"all\n")
        await skypy.sleep(0.001)
        socket.shutdown(here, "rw")
        assert await socket.readall(there) == b"all\n"


async def test_a_word_that_is_no_way_to_shut_down_is_refused() -> None:
    async with connection() as (here, _):
        with pytest.raises(ValueError, match="it must be"):
            socket.shutdown(here, "x")  # type: ignore[arg-type]


async def test_both_halves_shut_by_both_sides_end_the_connection_for_both() -> None:
    async with connection() as (here, there):
        socket.shutdown(here, "w")
        socket.shutdown(there, "w")
        assert await socket.read(here) is None
        assert await socket.read(there) is None
