"""One listener, an agent for its clients on every worker, and one store that all agents call.

Each line of a client is a command: `set KEY VALUE`, `get KEY`, `incr KEY`, `who` (which agent am I talking to), `quit`.
Started as `agents`, it is the listener; it starts itself again, as `agents agent`, once for every worker.
"""

import itertools

import skypy
from skypy import socket


@skypy.start
async def main(role: str = "listener", store: int = 0) -> None:
    """The listener, or an agent with the store's address."""
    if role == "listener":
        await listen()
    else:
        agent_of[0] = store


agent_of = [0]  # the store's address, for an agent


async def listen() -> None:
    """Spread clients over agents, one on every worker, in turn."""
    store = await skypy.uniqueservice("simpledb")
    workers = range(1, int(skypy.getenv("workers")) + 1)
    agents = itertools.cycle([await skypy.newservice("agents", "agent", store, worker=number) for number in workers])
    listener = await socket.listen(skypy.getenv("host"), int(skypy.getenv("port")))

    async def accept(fd: int, address: str) -> None:
        await skypy.call(next(agents), "serve", fd, address)  # returns when the agent has taken the socket over

    await socket.start(listener, accept)


@skypy.command
async def serve(fd: int, address: str) -> None:
    """Take a client over from the listener."""
    await socket.start(fd)
    skypy.fork(talk, fd)


async def talk(fd: int) -> None:
    """Answer lines until `quit` or end-of-file."""
    while (line := await socket.readline(fd)) is not None:
        words = line.decode(errors="replace").split(" ", 2)
        if words == ["quit"]:
            break
        socket.write(fd, (await answer(words)).encode() + b"\n")
    await socket.close(fd)


async def answer(words: list[str]) -> str:
    """The reply to one command."""
    match words:
        case ["who"]:
            return f"agent :{skypy.self():08x}"
        case ["set", _, _] | ["get" | "incr", _]:
            try:
                return str(await skypy.call(agent_of[0], *words))
            except skypy.RemoteError as error:
                return f"error {error.text}"
        case _:
            return "error: set KEY VALUE, get KEY, incr KEY, who or quit"
