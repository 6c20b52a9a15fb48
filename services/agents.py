"""One listener, an agent for its clients on every worker, and one store that all agents call.

Each line of a client is a command: `set KEY VALUE`, `get KEY`, `incr KEY`, `who` (the address of its agent), `quit`.
Started as `agents`, the service is the listener, and starts itself again as an agent once for every worker. An agent
or a store that has died with its worker is started again for the next client that needs it.
"""

import itertools

import skypy
from skypy import socket

lock = skypy.queue()
"""The section in which the listener looks for an agent and starts one: two clients that come together get the same."""


@skypy.start
async def main(name: str = "") -> None:
    """Become the listener, or an agent with a name."""
    if name:
        skypy.register(name)
    else:
        await listen()


async def listen() -> None:
    """Start an agent on every worker, and give each client to the next agent in turn."""
    workers = range(1, int(skypy.getenv("workers")) + 1)
    for number in workers:
        await agent_of(number)
    listener = await socket.listen(skypy.getenv("host"), int(skypy.getenv("port")))
    turns = itertools.cycle(workers)

    async def accept(fd: int, address: str) -> None:
        number = next(turns)
        try:
            await skypy.call(await agent_of(number), "serve", fd)  # returns once the agent has taken the socket over
        except skypy.ActorDead:  # its worker has just died
            if not socket.invalid(fd):  # else it had taken the socket over
                await skypy.call(await agent_of(number), "serve", fd)

    await socket.start(listener, accept)


async def agent_of(worker: int) -> int:
    """Return the agent of a worker, which is started if there is none."""
    name = f".agent {worker}"
    async with lock:
        return skypy.query(name) or await skypy.newservice("agents", name, worker=worker)


@skypy.command
async def serve(fd: int) -> None:
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
                return str(await skypy.call(await skypy.uniqueservice("simpledb"), *words))
            except skypy.RemoteError as error:
                return f"error {error.text}"
            except skypy.ActorDead as error:  # perhaps in the middle of the command, so it is not tried again
                return f"error {error}"
        case _:
            return "error: set KEY VALUE, get KEY, incr KEY, who or quit"
