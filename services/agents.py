"""One listener, an agent for its clients on every worker, and one store that all agents call.

Each line of a client is a command: `set KEY VALUE`, `get KEY`, `incr KEY`, `who` (the address of its agent), `quit`.
Started as `agents`, the service is the listener, and starts itself again as an agent once for every worker.
"""

import itertools

import skypy
from skypy import socket

store_of_agent = 0
"""The store's address, in an agent."""


@skypy.start
async def main(role: str = "listener", store: int = 0) -> None:
    """Become the listener, or an agent that knows the store's address."""
    global store_of_agent
    if role == "listener":
        await listen()
    else:
        store_of_agent = store


async def listen() -> None:
    """Start the store and an agent on every worker, and give each client to the next agent in turn."""
    store = await skypy.uniqueservice("simpledb")
    workers = range(1, int(skypy.getenv("workers")) + 1)
    agents = itertools.cycle([await skypy.newservice("agents", "agent", store, worker=number) for number in workers])
    listener = await socket.listen(skypy.getenv("host"), int(skypy.getenv("port")))

    async def accept(fd: int, address: str) -> None:
        await skypy.call(next(agents), "serve", fd, address)  # returns once the agent has taken the socket over

    await socket.start(listener, accept)


@skypy.command
async def serve(fd: int, address: str) -> None:
    """Take a client over from the listener."""
    await socket.start(fd)
    skypy.fork(talk, fd)


async def talk(fd: int) -> None:
    """Answer the lines of a client until `quit` or end-of-file."""
    while (line := await socket.readline(fd)) is not None:
        words = line.decode(errors="replace").split(" ", 2)
        if words == ["quit"]:
            break
        socket.write(fd, (await answer(words)).encode() + b"\n")
    await socket.close(fd)


async def answer(words: list[str]) -> str:
    """Return the reply to one command, as a line without its end."""
    match words:
        case ["who"]:
            return f"agent :{skypy.self():08x}"
        case ["set", _, _] | ["get" | "incr", _]:
            try:
                return str(await skypy.call(store_of_agent, *words))
            except skypy.RemoteError as error:
                return f"error {error.text}"
        case _:
            return "error: set KEY VALUE, get KEY, incr KEY, who or quit"
