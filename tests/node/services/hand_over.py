"""Sockets that change hands between the actors of three workers.

Each scenario has both ends of a connection: `here` stays with this actor, `there` goes to players on all workers.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

import skypy
from skypy import socket
from tests.node import scenarios

WORKERS = 3
LINES = 200
ROUNDS = 50
MIB = 1 << 20
LARGE = 8 * MIB
"""More than the kernel keeps for a slow reader."""

players: list[int] = []
"""One on each worker; the first is beside this actor."""


@skypy.start
async def main(role: str = "scenarios") -> None:
    for number in range(1, WORKERS + 1):
        players.append(await skypy.newservice("player", worker=number))
    for player in players:
        await skypy.call(player, "meet", players)
    if role == "scenarios":
        await scenarios.offer(__name__)
    else:
        await pass_clients_around()


async def pass_clients_around() -> None:
    """Every client is echoed by players that take it over from each other all the time."""

    async def accept(fd: int, address: str) -> None:
        skypy.send(players[fd % WORKERS], "echo", fd)

    listener = await socket.listen("127.0.0.1", 0)
    await socket.start(listener, accept)
    skypy.log.info("port %d", socket.local_address(listener).port)


async def do(player: int, command: str, /, *args: Any) -> Any:
    """Let a player do something; its SocketClosed is raised here."""
    try:
        return await skypy.call(players[player], command, *args)
    except skypy.RemoteError as error:
        if error.type_name == "SocketClosed":
            raise skypy.SocketClosed(error.text) from error
        raise


@asynccontextmanager
async def connection(owner: int | None = None) -> AsyncIterator[tuple[int, int]]:
    """Both ends; `there` belongs to a player, or to this actor."""
    async with scenarios.connection() as (here, there):
        if owner is not None:
            await do(owner, "start", there)
        yield here, there
        await socket.close(here)
        for player in range(WORKERS):
            await do(player, "close", there)


# -- taking over -------------------------------------------------------------------------------------------------------


async def test_a_socket_comes_with_what_was_not_read() -> None:
    async with connection() as (here, there):
        socket.write(here, b"one two three")
        assert await socket.read(there, 3) == b"one"
        await do(1, "start", there)
        assert await do(1, "read", there, 4) == b" two"
        await do(2, "start", there)
        socket.write(here, b" four")
        assert await do(2, "read", there, 11) == b" three four"


async def test_output_written_before_goes_before() -> None:
    async with connection() as (here, there):
        socket.write(there, b"first ")
        await do(1, "write_and_start", there, b"second ", b"third ", b"fourth")
        assert await socket.read(here, 25) == b"first second third fourth"


async def test_a_half_closed_socket_is_taken_over_with_its_rest_and_its_end() -> None:
    async with connection() as (here, there):
        socket.write(here, b"the rest")
        socket.shutdown(here, "w")
        assert await socket.read(there, 3) == b"the"
        for player in (1, 2, 0, 2):
            await do(player, "start", there)
        assert await do(2, "read", there) == b" rest"
        assert await do(2, "read", there) is None
        await do(1, "start", there)
        assert await do(1, "read", there) is None
        assert await do(1, "write", there, [b"the answer"])
        await do(1, "close", there)
        assert await socket.readall(here) == b"the answer"


async def test_a_socket_whose_owner_has_finished_writing_is_taken_over() -> None:
    async with connection(1) as (here, there):
        await do(1, "write", there, [b"all"])
        await do(1, "shutdown", there, "w")
        await do(2, "start", there)
        assert not await do(2, "write", there, [b"more"])
        assert await socket.readall(here) == b"all"
        socket.write(here, b"thanks")
        assert await do(2, "read", there) == b"thanks"


async def test_a_connection_that_has_ended_goes_around_with_its_rest_and_its_end() -> None:
    for ending in ("finish", "reset", "reset behind more than a window"):
        async with connection() as (here, there):
            sent = bytes(200_000) if "window" in ending else b"the rest"
            socket.write(here, sent)
            await socket.drain(here)
            if ending == "finish":
                socket.shutdown(there, "w")
                await socket.close(here)
            else:
                while socket.info(there).unread < min(len(sent), 100_000):
                    await skypy.sleep(0.001)
                socket.abort(here)
            while not socket.disconnected(there) or (ending != "finish" and socket.write(there, b"x")):
                await skypy.sleep(0.001)
            for player in (1, 2, 0, 2):
                await do(player, "start", there)
            assert not await do(2, "write", there, [b"x"])
            received, error = await do(2, "read_to_end", there)
            assert (len(received), error) == (len(sent), None if ending == "finish" else "SocketBroken")
            await do(1, "start", there)
            assert await do(1, "read_to_end", there) == [b"", None]
            await do(2, "close", there)
            for player in range(WORKERS):
                with pytest.raises(skypy.SocketClosed):
                    await do(player, "start", there)


async def test_a_connection_ends_while_it_changes_hands_and_nothing_is_lost() -> None:
    for round_ in range(30):
        async with connection(round_ % WORKERS) as (here, there):
            socket.write(here, b"the rest")
            starts = [asyncio.create_task(do(player, "start", there)) for player in (1, 2, 0)]
            if round_ % 2:
                socket.abort(here)
            else:
                await socket.close(here)
            await asyncio.gather(*starts)
            read = [await do(player, "read_to_end", there) for player in range(WORKERS)]
            assert read.count([b"", "SocketClosed"]) == WORKERS - 1, read
            outcomes = [[b"the rest", "SocketBroken"], [b"", "SocketBroken"]] if round_ % 2 else [[b"the rest", None]]
            assert any(outcome in read for outcome in outcomes), read


async def test_a_listener_goes_around_and_no_client_is_lost() -> None:
    listener = await socket.listen("127.0.0.1", 0)
    port = socket.local_address(listener).port

    async def come() -> bytes:
        fd = await socket.open("127.0.0.1", port)
        name = await socket.readall(fd)
        await socket.close(fd)
        return name

    clients = []
    for round_ in range(30):
        clients += [asyncio.create_task(come()) for _ in range(10)]
        await do(round_ % WORKERS, "accept", listener, b"%d" % (round_ % WORKERS))
    assert set(await asyncio.gather(*clients)) <= {b"0", b"1", b"2"}
    assert await come() == b"%d" % (29 % WORKERS)
    await do(1, "close", listener)  # its owner is another one


async def test_any_actor_closes_a_listener() -> None:
    for owner in range(WORKERS):
        for other in range(WORKERS):
            listener = await socket.listen("127.0.0.1", 0)
            port = socket.local_address(listener).port
            await do(owner, "accept", listener, b"owner")
            await do(other, "close", listener)
            with pytest.raises((ConnectionRefusedError, ConnectionResetError)):
                await connect_again_and_again(port)


async def connect_again_and_again(port: int) -> None:
    """Connect until the listener has gone."""
    while True:
        await socket.close(await socket.open("127.0.0.1", port))


async def test_an_end_by_another_actor_comes_behind_what_that_actor_has_written() -> None:
    for owner in range(WORKERS):
        for other in range(WORKERS):
            async with connection(owner) as (here, there):
                assert await do(other, "write", there, [b"all ", b"of it"])
                await do(other, "close", there)
                assert await socket.readall(here) == b"all of it"
            async with connection(owner) as (here, there):
                assert await do(other, "write", there, [b"all ", b"of it"])
                await do(other, "shutdown", there, "w")
                assert await socket.readall(here) == b"all of it"
            async with connection(owner) as (here, there):
                await do(other, "abort", there)
                with pytest.raises(skypy.SocketBroken):
                    await socket.read(here)


async def test_both_halves_end_while_it_changes_hands_and_nothing_is_lost() -> None:
    for _ in range(5):
        async with connection(1) as (here, there):
            await do(1, "write", there, [bytes(LARGE)])
            socket.write(here, b"unread")
            socket.shutdown(here, "w")
            skypy.send(players[1], "shutdown", there, "w")
            taking = asyncio.create_task(do(2, "start", there))
            reading = asyncio.create_task(socket.readall(here))
            try:
                await taking
            except skypy.SocketClosed:  # both ends were finished before: it stays where it was
                owner = 1
            else:
                owner = 2
                await do(2, "shutdown", there, "w")
            assert await do(owner, "read", there) == b"unread"
            assert len(await reading) == LARGE


async def test_it_goes_to_and_fro_with_every_byte_in_order() -> None:
    async with connection() as (here, there):
        for round_ in range(ROUNDS):
            socket.write(here, b"%06d" % round_)
            await do(1 + round_ % 2, "start", there)
            assert await do(1 + round_ % 2, "read", there, 6) == b"%06d" % round_
            await do(1 + round_ % 2, "write", there, [b"%06d" % round_])
        expected = b"".join(b"%06d" % round_ for round_ in range(ROUNDS))
        assert await socket.read(here, 6 * ROUNDS) == expected


async def test_all_takers_get_the_socket_and_the_last_one_keeps_it() -> None:
    async with connection() as (here, there):
        await asyncio.gather(*(do(player, "start", there) for player in (1, 2, 0, 1, 2)))
        socket.write(here, b"x")
        reading = [asyncio.create_task(do(player, "read", there)) for player in range(WORKERS)]
        results = await asyncio.gather(*reading, return_exceptions=True)
        assert sorted(map(type, results), key=str) == sorted([bytes, skypy.SocketClosed, skypy.SocketClosed], key=str)


async def test_the_reader_of_the_former_owner_is_told() -> None:
    for owner in range(WORKERS):
        for taker in range(WORKERS):
            async with connection(owner) as (here, there):
                reading = asyncio.create_task(do(owner, "read", there))
                await asyncio.sleep(0)
                await do(owner, "write", there, [])  # it reads now
                if taker == owner:
                    await socket.start(there)  # this actor, on the first worker
                else:
                    await do(taker, "start", there)
                with pytest.raises(skypy.SocketClosed, match="taken over"):
                    await reading
                socket.write(here, b"for the new one")
                read = socket.read(there) if taker == owner else do(taker, "read", there)
                assert await read == b"for the new one"


async def test_a_start_that_was_given_up_ends_the_connection() -> None:
    async with connection(1) as (here, there):
        await do(2, "start_and_give_up", there)
        assert await socket.read(here) is None


async def test_start_of_a_socket_that_is_not_there_raises() -> None:
    async with connection(1) as (here, there):
        await do(1, "close", there)
        for player in range(WORKERS):
            with pytest.raises(skypy.SocketClosed):
                await do(player, "start", there)
            with pytest.raises(skypy.SocketClosed):
                await do(player, "start", 1 << 40)
        assert await socket.read(here) is None


# -- writing to what others own ----------------------------------------------------------------------------------------


async def test_every_worker_writes_in_its_order() -> None:
    async with connection(1) as (here, there):
        lines = {player: [b"%d %d\n" % (player, number) for number in range(LINES)] for player in range(WORKERS)}
        await asyncio.gather(*(do(player, "write", there, lines[player]) for player in lines))
        got = [await socket.readline(here) for _ in range(WORKERS * LINES)]
        for player, expected in lines.items():
            assert [line + b"\n" for line in got if line and line.startswith(b"%d" % player)] == expected


async def test_they_write_while_it_changes_hands() -> None:
    async with connection() as (here, there):
        writing = [do(player, "speak", there, str(player), LINES, 100) for player in range(WORKERS)]
        taking = [do(round_ % WORKERS, "start", there) for round_ in range(WORKERS * 10)]
        reading = asyncio.create_task(lines_until(here, WORKERS * LINES))
        await asyncio.gather(*writing, *taking)
        check_speech(await reading, LINES)


async def test_large_messages_to_a_slow_peer_do_not_interleave() -> None:
    async with connection(1) as (here, there):
        writing = [asyncio.create_task(do(player, "speak", there, str(player), 8, MIB)) for player in range(WORKERS)]
        lines = await lines_until(here, 4)
        await do(2, "start", there)  # while all of them are half-way
        lines += await lines_until(here, 20)
        await asyncio.gather(*writing)
        for line in lines:
            head, _, rest = line.rpartition(b" ")
            assert len(line) == MIB - 1
            assert re.fullmatch(rb"\d \d", head)
            assert rest == b"." * len(rest)
        check_speech(lines, 8)


async def test_drain_waits_for_a_slow_peer_and_the_owner_of_that_moment() -> None:
    async with connection(1) as (here, there):
        await do(2, "write", there, [bytes(LARGE)])
        draining = asyncio.create_task(do(2, "drain", there))
        await do(0, "start", there)
        await do(1, "start", there)
        assert not draining.done()
        await socket.read(here, LARGE)
        await draining


async def test_a_writer_learns_that_the_owner_has_ended_the_socket() -> None:
    for ending in ("close", "shutdown w", "shutdown rw"):
        async with connection(1) as (_, there):
            assert await do(2, "write", there, [b"before"])
            await do(2, "drain", there)
            await do(1, *ending.split()[:1], there, *ending.split()[1:])
            await do(2, "write", there, [b"may be lost"])
            with pytest.raises(skypy.SocketClosed):
                await do(2, "drain", there)
            assert not await do(2, "write", there, [b"after"])


async def lines_until(fd: int, count: int) -> list[bytes]:
    lines = [await socket.readline(fd, limit=MIB) for _ in range(count)]
    assert None not in lines
    return [line for line in lines if line is not None]


def check_speech(lines: list[bytes], count: int) -> None:
    """Every writer's lines are there; those of a priority are in order."""
    for writer in range(WORKERS):
        numbers = [int(line.split()[1]) for line in lines if line.startswith(b"%d " % writer)]
        assert sorted(numbers) == list(range(count))
        assert [number for number in numbers if number % 3] == [number for number in range(count) if number % 3]
