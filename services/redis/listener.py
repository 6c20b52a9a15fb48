"""A Redis-protocol server in three services: this listener, an agent for clients on every worker, and one store.

`skypy run config/redis.toml`, then `redis-cli -p 6380`.
"""

import itertools

import skypy
from skypy import socket

lock = skypy.queue()
"""The section in which an agent is looked for and started: two clients that come together get the same."""


@skypy.start
async def main() -> None:
    """Start an agent on every worker, and give each client to the next agent in turn.

    The agent takes the socket itself over, on whichever worker it is.
    """
    workers = range(1, int(skypy.getenv("workers")) + 1)
    for number in workers:
        await agent_of(number)
    listener = await socket.listen(skypy.getenv("host"), int(skypy.getenv("port")))
    turns = itertools.cycle(workers)

    async def accept(fd: int, address: str) -> None:
        number = next(turns)
        try:
            await skypy.call(await agent_of(number), "serve", fd)
        except skypy.ActorDead:  # its worker has just died
            if not socket.invalid(fd):  # else it had taken the socket over
                await skypy.call(await agent_of(number), "serve", fd)

    await socket.start(listener, accept)


async def agent_of(worker: int) -> int:
    """Return the agent of a worker, which is started if there is none: the one before has died with its worker."""
    name = f".redis agent {worker}"
    async with lock:
        return skypy.query(name) or await skypy.newservice("redis/agent", name, worker=worker)
