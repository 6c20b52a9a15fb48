"""An actor that runs commands on sockets for a test, and answers with their outcomes.

A test talks to it over one connection: a line is `(number, name, *arguments)` as Python prints it, so is the answer,
`(number, value)` or `(number, None, (error, errno, text))`. A name is a verb of `skypy.socket`, or a function of
here or of `transfers`. Commands overlap: one that waits holds up no other.
"""

import ast
import asyncio
import inspect
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import transfers  # type: ignore[import-not-found]  # found beside this file

import skypy
from skypy import socket

COMMAND_SIZE_LIMIT = 1 << 24

clients: dict[int, asyncio.Future[int]] = defaultdict(asyncio.Future)
"""The sockets of accepted clients, by the client's port."""
events: dict[int, list[Any]] = defaultdict(list)
"""The reasons and sizes that onclose and onwarning have got for a socket, in their order."""
pieces: dict[int, list[Any]] = {}
"""The results of a reader that never stops, by socket: bytes, None, names of errors."""
readers: dict[int, asyncio.Task[None]] = {}
mine: list[int] = []
"""Sockets that a test has made or was given, to be closed after it."""


@skypy.start
async def main() -> None:
    listener = await socket.listen("127.0.0.1", 0)
    await socket.start(listener, obey)
    skypy.log.info("port %d", socket.local_address(listener).port)


# -- the commands ------------------------------------------------------------------------------------------------------


async def obey(fd: int, address: str) -> None:
    await socket.start(fd)
    while (line := await socket.readline(fd, limit=COMMAND_SIZE_LIMIT)) is not None:
        skypy.fork(answer, fd, *ast.literal_eval(line.decode()))
    await socket.close(fd)


async def answer(control: int, number: int, name: str, *arguments: Any) -> None:
    reply: tuple[Any, ...]
    try:
        reply = number, await perform(name, *arguments)
    except Exception as error:
        reply = number, None, (type(error).__name__, getattr(error, "errno", None), str(error))
    socket.write(control, repr(reply).encode() + b"\n")


@skypy.command
async def perform(name: str, *arguments: Any) -> Any:
    own: dict[str, Callable[..., Any]] = {**vars(transfers), **globals()}
    do = own.get(f"do_{name}") or getattr(socket, name)
    result = do(*arguments)
    return await result if inspect.isawaitable(result) else result


async def do_serve(start: bool = True, options: dict[str, Any] | None = None) -> tuple[int, int]:
    """Listen, and start clients or leave them to be started; return the listener and its port."""
    listener = await socket.listen("127.0.0.1", 0, **(options or {}))
    mine.append(listener)
    await socket.start(listener, accepted if start else noticed)
    return listener, socket.local_address(listener).port


async def accepted(fd: int, address: socket.SocketAddress) -> None:
    await socket.start(fd)
    noticed(fd, address)


def noticed(fd: int, address: socket.SocketAddress) -> None:
    watch(fd)
    if clients[address.port].done():  # a client that no test has asked for had this port before
        del clients[address.port]
    clients[address.port].set_result(fd)


async def do_listen(host: str, port: int) -> int:
    listener = await socket.listen(host, port)
    mine.append(listener)
    return listener


async def do_start_listening(listener: int) -> None:
    await socket.start(listener, accepted)


async def do_serve_badly() -> tuple[int, int]:
    """Listen, and fail with every client when it has sent something."""

    async def accept(fd: int, address: socket.SocketAddress) -> None:
        await socket.start(fd)
        await socket.read(fd)
        raise ValueError("as told")

    listener = await socket.listen("127.0.0.1", 0)
    mine.append(listener)
    await socket.start(listener, accept)
    return listener, socket.local_address(listener).port


async def do_serve_shortly(answer: bytes, options: dict[str, Any]) -> tuple[int, int]:
    """Listen; clients get an answer and are closed at once."""

    async def accept(fd: int, address: socket.SocketAddress) -> None:
        await socket.start(fd)
        socket.write(fd, answer)
        await socket.close(fd)

    listener = await socket.listen("127.0.0.1", 0, **options)
    mine.append(listener)
    await socket.start(listener, accept)
    return listener, socket.local_address(listener).port


def do_port_of(fd: int) -> int:
    return socket.local_address(fd).port


def do_addresses(fd: int) -> list[tuple[str, int]]:
    """Return the addresses of both ends."""
    ends = socket.local_address(fd), socket.peer_address(fd)
    return [(end.host, end.port) for end in ends]


async def do_client(port: int) -> int:
    """Wait until the client with a port has been accepted, and return its socket."""
    fd = await clients[port]
    del clients[port]  # the next client may get the same port
    return fd


async def do_open(port: int, timeout: float | None = None) -> int:
    fd = await socket.open("127.0.0.1", port, timeout)
    watch(fd)
    return fd


async def do_open_and_write(port: int, data: bytes) -> int:
    fd = await do_open(port)
    socket.write(fd, data)
    return fd


def watch(fd: int) -> None:
    mine.append(fd)
    do_watch(fd)


def do_watch(fd: int) -> None:
    socket.onclose(fd, tell)
    socket.onwarning(fd, tell)


def tell(fd: int, event: Any) -> None:
    events[fd].append(event)
    skypy.wakeup(f"event {fd}")


def do_events(fd: int) -> list[Any]:
    return events[fd]


def do_forget_events(fd: int) -> None:
    events[fd].clear()


async def do_event(fd: int, event: Any) -> list[Any]:
    """Wait until an event of a socket has come, and return all its events."""
    while event not in events[fd]:
        await skypy.wait(f"event {fd}")
    return events[fd]


async def do_until_disconnected(fd: int) -> None:
    while not socket.disconnected(fd):
        await skypy.sleep(0.001)


def do_tidy_clients() -> None:
    """Forget the clients: a port may come again."""
    clients.clear()


async def do_tidy() -> None:
    """Forget everything that the last test has left."""
    for reader in readers.values():
        reader.cancel()
    for fd in mine:
        await socket.close(fd)
    for memory in (clients, events, pieces, readers, mine):
        memory.clear()


# -- a reader that never stops, and seeing -----------------------------------------------------------------------------


def do_collect(fd: int) -> None:
    """Start a reader that reads to the end."""
    pieces[fd] = []
    readers[fd] = asyncio.create_task(collect(fd))


async def collect(fd: int) -> None:
    while pieces[fd][-1:] != [None]:
        try:
            pieces[fd].append(await socket.read(fd))
        except skypy.SocketBroken:
            pieces[fd].append("SocketBroken")
        except skypy.SocketError as error:
            pieces[fd].append(type(error).__name__)
            return


async def do_collected(fd: int) -> list[Any]:
    """Wait until the reader has met the end, and return its results."""
    await readers[fd]
    return pieces[fd]


def do_info(fd: int) -> dict[str, Any]:
    info = socket.info(fd)
    return {name: getattr(info, name) for name in ("state", "owner", "unread", "received", "sent", "queued")}


async def do_states() -> list[tuple[int, str, str]]:
    """Return the id, kind and state of every socket of the node."""
    return [(info.id, info.kind, info.state) for info in await socket.netstat()]


async def do_counter(name: str) -> int:
    """Return one of the counters."""
    return (await socket.counters()).get(name, 0)


# -- others of its kind ------------------------------------------------------------------------------------------------


async def do_another(worker: int) -> int:
    """Start another subject in a worker, and return its address."""
    return await skypy.newservice("subject", worker=worker)


async def do_ask(address: int, name: str, *arguments: Any) -> Any:
    """Run a command of another subject, and return its answer."""
    return await skypy.call(address, "perform", name, *arguments)


async def do_kill(address: int) -> None:
    await skypy.kill(address)
