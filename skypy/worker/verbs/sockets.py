"""The verbs of sockets: what `from skypy import socket` offers to a service.

A socket is named by `fd`: skypy's own number, not the kernel's, never given out twice. In what is read, None means
end-of-file; `b""` is an empty line.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import operator
import os
import socket as kernel
from collections.abc import Callable
from typing import Any, Final, Literal

from skypy.core.errors import ListenError, SocketBroken, SocketBusy, SocketClosed
from skypy.core.socket_address import SocketAddress
from skypy.core.tcp.lease import LeaseState, Reading
from skypy.core.wire.socket_lane import HIGH, LOW, WRITE_SIZE_LIMIT
from skypy.worker.sockets.stream_socket import ListenerSocket, StreamSocket
from skypy.worker.verbs.watching import connection
from skypy.worker.worker import WorkerActor, current_actor

_LARGEST_BACKLOG: Final = 65535
_OPEN: Final = Reading.OPEN  # Python 3.11 calls a function for a member of an Enum, and each read asks for this one


# -- making sockets --


async def listen(
    host: str,
    port: int,
    backlog: int = 1024,
    *,
    half_close: bool = True,
    time_wait: Literal["keep", "avoid"] | None = None,
) -> int:
    """A listening socket, idle until `start`. Port 0 picks a free one; `local_address` tells which.

    `host` "" is every IPv4 address of this machine. `backlog` clients may wait in the kernel. With `half_close` False a
    client that finishes its half is closed in both directions, once what was written has been delivered. `time_wait`
    "avoid" ends what was closed and acknowledged with a reset, "keep" leaves it to TCP; None is `[socket] time_wait`.
    Raises ListenError, an OSError, when the address is taken, not allowed or not there.
    """
    actor = current_actor()
    if time_wait not in (None, "keep", "avoid"):
        raise ValueError(f'time_wait={time_wait!r}: it is "keep", "avoid" or None')
    avoid = (time_wait or actor.worker.settings.socket.time_wait) == "avoid"
    backlog = min(max(operator.index(backlog), 1), _LARGEST_BACKLOG)
    try:
        addresses = await _resolve(actor, host or "0.0.0.0", port, kernel.AI_PASSIVE)
        # A name that means both: clients that were told of a port mostly try IPv4.
        addresses.sort(key=lambda address: address[0] != kernel.AF_INET)
        return await actor.worker.sockets.listen(
            actor, addresses, backlog, half_close=bool(half_close), avoid_time_wait=avoid
        )
    except OSError as error:
        raise ListenError(error.errno or 0, error.strerror or str(error), host, port) from error


async def start(fd: int, accept: Callable[[int, SocketAddress], Any] | None = None) -> None:
    """Take ownership of a socket and begin reading; of a listening one, and begin accepting.

    `accept(fd, address)` runs as a task of its own for every client; the client must be started within `claim_timeout`.
    When it raises, the traceback is logged and the client's socket, if still this actor's, is shut down.
    A socket that the peer has half closed is started as any other: reads give what is left, then None.
    Raises SocketClosed for an unknown or closed socket.
    """
    actor = current_actor()
    while (socket := actor.worker.sockets.get(fd)) is None:
        await actor.worker.sockets.claim(fd, actor)
    if isinstance(socket, ListenerSocket):
        if accept is None:
            raise TypeError(f"socket {fd} listens: start(fd, accept) needs the function that gets its clients")
        socket.owner.sockets.discard(fd)
        actor.sockets.add(fd)
        socket.start(accept, actor)
    elif accept is not None:
        raise TypeError(f"socket {fd} is a connection: start(fd) takes no accept function")
    else:
        actor.worker.sockets.start(socket, actor)


async def open(host: str, port: int, timeout: float | None = None) -> int:  # noqa: A001 - the verb of skynet
    """Connect; every address that the name has is tried. The socket is started.

    Raises OSError when none answers, TimeoutError after `timeout` seconds. A cancelled open closes the attempt.
    """
    actor = current_actor()
    try:
        async with asyncio.timeout(timeout):
            addresses = await _resolve(actor, host, port, 0)
            return await actor.worker.sockets.open(actor, addresses)
    except TimeoutError as error:
        reason = error.strerror or f"no answer within {timeout} s"
        raise TimeoutError(error.errno or errno.ETIMEDOUT, f"cannot connect to {host}:{port}: {reason}") from None
    except OSError as error:
        raise type(error)(error.errno, f"cannot connect to {host}:{port}: {error.strerror}") from error


async def _resolve(actor: WorkerActor, host: str, port: int, flags: int) -> list[tuple[int, str, int]]:
    if not 0 <= operator.index(port) <= 65535:
        raise ValueError(f"{port} is not a port: it is a number from 0 to 65535")
    for family in (kernel.AF_INET, kernel.AF_INET6):  # a numeric address needs no look-up, which costs a thread
        with contextlib.suppress(OSError):
            kernel.inet_pton(family, host)
            return [(int(family), host, port)]
    found = await actor.worker.loop.getaddrinfo(host, port, type=kernel.SOCK_STREAM, flags=flags)
    return [(int(family), str(address[0]), int(address[1])) for family, _, _, _, address in found]


# -- reading --


async def read(fd: int, n: int | None = None) -> bytes | None:
    """Exactly n bytes, or with None whatever has arrived (at least one byte). None at end-of-file.

    Fewer than n bytes before the end stay, and `read(fd)` returns them. Cancelling takes nothing.
    Raises SocketBroken once, behind the bytes that came before a reset; SocketBusy when another task reads;
    SocketClosed when the socket is not this actor's or is closed meanwhile.
    """
    socket = _reading(fd)
    needed = 1 if n is None else operator.index(n)
    if needed < 0:
        raise ValueError(f"{n} bytes cannot be read")
    buffer = socket.buffer
    while buffer.size < needed:
        if socket.reading is not _OPEN:
            socket.end_of_input()
            return None
        socket.want(needed)
        owner = socket.owner
        await socket.readable(needed, sized=n is not None)
        socket.check_reader(owner)
    data = buffer.read(buffer.size if n is None else needed)
    if socket.received > socket.grant_above:
        socket.want()
    return data


async def readline(fd: int, sep: bytes = b"\n", limit: int = 65536) -> bytes | None:
    r"""A line without its separator; None at end-of-file. Bytes behind the last separator stay for `read(fd)`.

    Raises BufferLimit as soon as more than `limit` bytes have no separator: every byte stays, and can be taken with
    `read` or a larger limit. For the rest see `read`.
    """
    socket = _reading(fd)
    if type(sep) is not bytes or not sep or type(limit) is not int:
        sep, limit = _checked_line(sep, limit)
    buffer = socket.buffer
    while (line := buffer.read_line(sep, limit) if buffer.size else None) is None:
        if socket.reading is not _OPEN:
            socket.end_of_input()
            return None
        if socket.received + limit >= socket.limit:
            socket.want(limit + len(sep))
        owner = socket.owner
        await socket.readable()
        socket.check_reader(owner)
    if socket.received > socket.grant_above:
        socket.want()
    return line


async def readall(fd: int) -> bytes:
    """Everything up to end-of-file, maybe nothing.

    Raises SocketBroken on a reset, keeping what came for `read(fd)`. For the rest see `read`.
    """
    socket = _reading(fd)
    while socket.reading is _OPEN:
        socket.want(socket.buffer.size + socket.window)
        owner = socket.owner
        await socket.readable(socket.buffer.size + socket.window // 2)
        socket.check_reader(owner)
    socket.end_of_input()
    return socket.buffer.read_all()


def _checked_line(sep: object, limit: object) -> tuple[bytes, int]:
    if not isinstance(sep, bytes | bytearray | memoryview):
        raise TypeError(f"a separator is bytes, not {type(sep).__name__}")
    if not sep:
        raise ValueError("the separator is empty")
    return bytes(sep), operator.index(limit)  # type: ignore[arg-type]  # TypeError is the answer


def _reading(fd: int) -> StreamSocket:
    """The actor's own socket, for one reader."""
    socket: StreamSocket | None = current_actor().streams.get(fd)
    if socket is None or (socket.reader is not None and socket.busy):
        raise _not_readable(fd)
    return socket


# -- writing --


def write(fd: int, data: bytes | bytearray | memoryview, priority: Literal["high", "low"] = "high") -> bool:
    """Queue a message and return at once; mutable data is copied.

    True: accepted, not yet delivered. False: this side is closed or known to be broken. Any actor may write to any
    socket; whole messages never interleave, and those of high priority go before those of low.
    """
    level = HIGH if priority == "high" else _level(priority)
    if type(data) is not bytes:
        data = _immutable(data)
    if len(data) > WRITE_SIZE_LIMIT:
        raise ValueError(f"{len(data)} bytes are too much for one write, the limit is {WRITE_SIZE_LIMIT}")
    return current_actor().worker.sockets.write(fd, data, level)


def _level(priority: str) -> int:
    if priority != "low":
        raise ValueError(f'"{priority}" is no priority: it is "high" or "low"')
    return LOW


def _immutable(data: object) -> bytes:
    if not isinstance(data, bytes | bytearray | memoryview):
        raise TypeError(f"a socket carries bytes, not {type(data).__name__}")
    return bytes(data)


async def drain(fd: int) -> None:
    """Wait until less than `[socket] high_water` bytes are unsent; a wait goes on until less than `low_water` are.

    Raises SocketBroken when they can never be sent, SocketClosed when the socket is closed.
    """
    actor = current_actor()
    if actor.worker.sockets.get(fd) is None:
        await actor.worker.sockets.drain_foreign(fd)
        return
    socket = connection(fd)
    await actor.worker.sockets.wait_until_drained(socket)
    if socket.error:
        raise SocketBroken(socket.error, os.strerror(socket.error))
    if socket.state is LeaseState.CLOSING:
        raise SocketClosed(f"socket {fd} was closed")
    if socket.state is LeaseState.YIELDED:  # what was written goes on its way from another worker
        await drain(fd)


# -- ending --


async def close(fd: int) -> None:
    """The safe close: the socket is gone from this actor at once; twice is harmless.

    In the background everything queued is delivered, then FIN, then the peer's end-of-file is awaited for at most
    `[socket] linger` seconds. Tasks that read from it get SocketClosed.
    """
    actor = current_actor()
    socket = actor.worker.sockets.get(fd)
    if socket is not None:
        actor.worker.sockets.close_socket(socket)


def shutdown(fd: int, how: Literal["rw", "w", "r"] = "rw") -> None:
    """Finish one half of a connection, or drop it.

    "rw": drop everything now (skynet's shutdown). "w": send what is queued, then FIN, and go on reading. "r": stop
    reading. Harmless on a closed socket.
    """
    actor = current_actor()
    sockets = actor.worker.sockets
    if how not in ("rw", "w", "r"):
        raise ValueError(f'"{how}" is no way to shut down: it is "rw", "w" or "r"')
    socket = sockets.get(fd)
    if socket is None:
        return
    if how == "rw":
        sockets.shutdown(socket)
    elif isinstance(socket, ListenerSocket):
        raise TypeError(f"socket {fd} listens: it has no half that could be shut down")
    elif how == "w":
        sockets.leases.shutdown_write(socket)
    else:
        sockets.shutdown_read(socket)


def abort(fd: int) -> None:
    """Drop everything now, and let the peer know by a reset that it is no orderly end. Harmless on a closed socket."""
    sockets = current_actor().worker.sockets
    socket = sockets.get(fd)
    if socket is not None:
        sockets.abort(socket)


def _not_readable(fd: int) -> Exception:
    """Why the current actor cannot read from a socket."""
    actor = current_actor()
    socket = actor.worker.sockets.get(fd)
    if socket is None:
        return SocketClosed(f"socket {fd} is closed or was never open")
    if isinstance(socket, ListenerSocket):
        return TypeError(f"socket {fd} listens: it carries no bytes")
    if socket.busy:
        return SocketBusy(f"another task is reading from socket {fd}")
    if socket.owner is actor:
        return RuntimeError(f"socket {fd} has not been started: call `await socket.start({fd})` first")
    return SocketClosed(f"socket {fd} belongs to another actor: take it over with `await socket.start({fd})`")
