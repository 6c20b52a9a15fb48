"""Two hundred clients of the echo service at once, and one of them that sends too much."""

import asyncio
import random
from collections.abc import Iterator

import pytest

from tests.node.clients import FINAL, ends_alone, random_line, random_pieces
from tests.node.harness import ECHO, SECONDS, RunningNode, free_port, running

CLIENTS = 200
LINES = 20
LONGEST = 65536


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def shared(port: int) -> Iterator[RunningNode]:
    with running(ECHO, f"env.port={port}", "workers=1") as node:
        yield node


async def talk(port: int, seed: int) -> str:
    """Return the problems of the answers."""
    source = random.Random(seed)
    text = b"".join(random_line(source, LONGEST) for _ in range(LINES))
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def send() -> None:
        for piece in random_pieces(source, text):
            writer.write(piece)
            await writer.drain()
        writer.write_eof()

    received, _ = await asyncio.gather(reader.read(), send())
    writer.close()
    await writer.wait_closed()
    return "" if received == text + FINAL else f"client {seed}: {len(received)} bytes came back, not the right ones"


def test_two_hundred_clients_at_once_get_all_their_lines_back(node: RunningNode, port: int) -> None:
    async def all_of_them() -> list[str]:
        async with asyncio.timeout(2 * SECONDS):
            return await asyncio.gather(*(talk(port, seed) for seed in range(CLIENTS)))

    assert not [wrong for wrong in asyncio.run(all_of_them()) if wrong]


def test_a_line_of_exactly_the_limit_is_echoed(node: RunningNode, port: int) -> None:
    async def longest() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"x" * LONGEST + b"\n")
        async with asyncio.timeout(SECONDS):
            assert await reader.readexactly(LONGEST + 1) == b"x" * LONGEST + b"\n"
        writer.close()
        await writer.wait_closed()

    node.allow_trouble("socket: error on")  # the FINAL lines are not read
    asyncio.run(longest())


def test_a_client_with_a_longer_line_ends_alone(node: RunningNode, port: int) -> None:
    node.allow_trouble("socket: error on")
    ends_alone(node, port, LONGEST + 1)


def test_a_client_with_an_endless_line_ends_alone(node: RunningNode, port: int) -> None:
    node.allow_trouble("socket: error on")
    ends_alone(node, port, 20 * LONGEST)
