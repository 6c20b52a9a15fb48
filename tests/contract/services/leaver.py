"""An actor with everything that might go on after its end, and an observer of it in the same process."""

import asyncio
import contextlib
import gc
import logging
import sys
import weakref
from collections.abc import Callable
from typing import Any

import skypy
from skypy import socket
from tests.contract import notes


class Treasure:
    """An object that lives as long as its module."""


treasure = Treasure()
opened: list[int] = []


def note(*news: Any) -> None:
    notes.of[me[0]].append(" ".join(map(str, news)))


me: list[int] = []


@skypy.start
def main() -> None:
    me.append(skypy.self())
    notes.of.pop(me[0], None)  # of an actor of an earlier test in this process
    notes.gates.pop(me[0], None)
    notes.kept[me[0]] = weakref.ref(treasure)


# -- the observer's verbs --


@skypy.command
def notes_of(address: int) -> list[str]:
    return notes.of[address]


@skypy.command
def open_gate(address: int) -> None:
    notes.gates[address].set()


@skypy.command
async def wait_for_note(address: int, text: str) -> None:
    while text not in notes.of[address]:
        await skypy.sleep(0.001)


@skypy.command
def left_of(address: int) -> list[str]:
    """Return the traces of an actor in its process."""
    gc.collect()
    name = f"leaver@{address:08x}"
    left = [f"logger {one}" for one in logging.Logger.manager.loggerDict if one.startswith(name)]
    left += [f"module {one}" for one in sys.modules if one.startswith(name)]
    if notes.kept[address]() is not None:
        left.append("its variables")
    return left


@skypy.command
async def listeners() -> list[int]:
    """Return the ports that the node listens on."""
    return [int(one.local.rpartition(":")[2]) for one in await socket.netstat() if one.kind == "listener"]


@skypy.command
async def open_sockets_of(address: int) -> list[int]:
    return [one.id for one in await socket.netstat() if one.owner == address and one.state in ("OPEN", "LISTENING")]


@skypy.command
async def sink() -> int:
    """Accept clients and close behind them; return the port."""

    async def serve(fd: int, address: str) -> None:
        await socket.start(fd)
        with contextlib.suppress(skypy.SocketBroken):
            await socket.readall(fd)
        await socket.close(fd)

    listener = await socket.listen("127.0.0.1", 0)
    await socket.start(listener, serve)
    return socket.local_address(listener).port


# -- an actor that leaves something --


@skypy.command
async def leave_sockets() -> int:
    """Own both ends of a connection, with functions that are to hear of them; return the listener's port."""

    async def serve(fd: int, address: str) -> None:
        await socket.start(fd)
        socket.onclose(fd, reconnect)
        note("accepted")

    async def reconnect(fd: int, reason: str) -> None:
        note("onclose", reason)
        await socket.open("127.0.0.1", port)

    listener = await socket.listen("127.0.0.1", 0)
    await socket.start(listener, serve)
    port = socket.local_address(listener).port
    fd = await socket.open("127.0.0.1", port)
    opened.append(fd)
    socket.onclose(fd, reconnect)
    return port


@skypy.command
def leave_timers() -> None:
    skypy.timeout(3600, note, "timeout")
    skypy.fork(skypy.sleep, 3600)


@skypy.command
def leave_loggers() -> None:
    for name in (__name__, f"{__name__}.part", f"{__name__}.part.of_it"):
        logging.getLogger(name).info("a logger of its own")


@skypy.command
def leave_a_logger_below() -> None:
    logging.getLogger(f"{__name__}.part").info("a logger below its own")


@skypy.command
def stay_in_a_task() -> None:
    """Leave a task behind that tries everything after the end."""
    skypy.fork(stay)


async def stay() -> None:
    gate = notes.gates[me[0]]
    while not gate.is_set():
        with contextlib.suppress(asyncio.CancelledError):
            await gate.wait()
    verbs: list[Callable[[], Any]] = [
        lambda: skypy.send(me[0], "note"),
        lambda: skypy.timeout(0, note, "timeout"),
        lambda: skypy.fork(note, "fork"),
        lambda: asyncio.get_running_loop().create_task(take_notes()),
        lambda: socket.write(opened[0] if opened else 1, b"x"),
    ]
    for verb in verbs:
        try:
            verb()
        except RuntimeError as error:
            note("refused:", error)
    note("done")


async def take_notes() -> None:
    note("task")


@skypy.command
def connect_again_and_again(port: int) -> None:
    """Leave a task behind that reconnects whatever happens."""
    skypy.fork(reconnect_always, port)


async def reconnect_always(port: int) -> None:
    while True:
        try:
            await socket.close(await socket.open("127.0.0.1", port))
        except RuntimeError as error:
            note(error)
            return
        except BaseException:
            continue


# -- stop functions --

at_the_end: list[str] = []


@skypy.command
def at_its_end(*deeds: str) -> None:
    at_the_end.extend(deeds)


@skypy.stop
async def swallow() -> None:
    if "swallow" in at_the_end:
        gate = notes.gates[me[0]]
        while not gate.is_set():
            with contextlib.suppress(BaseException):
                await gate.wait()


@skypy.stop
async def clean_up() -> None:
    if "clean up" in at_the_end:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            note("cleaned up")


@skypy.stop
async def listen() -> None:
    if "listen" in at_the_end:
        listener = await socket.listen("127.0.0.1", 0)
        await socket.start(listener, lambda fd, address: note("accepted"))
        note(socket.local_address(listener).port)
