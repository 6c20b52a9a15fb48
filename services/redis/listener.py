"""A Redis-protocol server in three services: this listener, an agent for clients on every worker, and one store.

`skypy run config/redis.toml`, then `redis-cli -p 6380`.
"""

import itertools

import skypy
from skypy import socket


@skypy.start
async def main() -> None:
    """Start the store and an agent on every worker, and give each client to the next agent in turn.

    The agent takes the socket itself over, on whichever worker it is.
    """
    store = await skypy.uniqueservice("redis/store")
    workers = range(1, int(skypy.getenv("workers")) + 1)
    agents = itertools.cycle([await skypy.newservice("redis/agent", store, worker=number) for number in workers])
    listener = await socket.listen(skypy.getenv("host"), int(skypy.getenv("port")))
    await socket.start(listener, lambda fd, address: skypy.call(next(agents), "serve", fd))
