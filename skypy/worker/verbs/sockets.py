"""The verbs that make, read, write and end sockets, which services import by `from skypy import socket`.

A socket is named by `fd`: skypy's own number, not the kernel's, never given out twice. As the result of reading, None
means end-of-file; `b""` is an empty line.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import operator
import os
import socket as os_socket
from collections.abc import Callable
from typing import Any, Final, Literal

from skypy.core.errors import ListenError, SocketBroken, SocketBusy, SocketClosed
from skypy.core.socket_address import SocketAddress
from skypy.core.tcp.lease import LeaseState
from skypy.core.tcp.read_half import LENT, OPEN
from skypy.core.wire.socket_lane import HIGH, LOW, WRITE_SIZE_LIMIT
from skypy.worker.sockets.listener import ListenerSocket
from skypy.worker.verbs.watching import connection, not_here, of_another_actor
from skypy.worker.worker import WorkerActor, current_actor

_LARGEST_BACKLOG: Final = 65535


# -- making sockets --


async def listen(
    host: str,
    port: int,
    backlog: int = 1024,
    *,
    half_close: bool = True,
    time_wait: Literal["keep", "avoid"] | None = None,
) -> int:
    """Make a listening socket, idle until `start`, and return its fd. Port 0 picks a free port, see `local_address`.

    `host` "" is every IPv4 address of this machine. `backlog` clients may wait in the kernel. With `half_close` False a
    client that finishes its half is closed in both directions, once written bytes have been delivered. `time_wait`
    "avoid" ends a connection that is closed and acknowledged with a reset, "keep" leaves it to TCP; None means
    `[socket] time_wait`.
    Raises ListenError, an OSError, when the address is taken, not allowed or not there.
    """
    actor = current_actor()
    if time_wait not in (None, "keep", "avoid"):
        raise ValueError(f'time_wait={time_wait!r}: it must be "keep", "avoid" or None')
    avoid = (time_wait or actor.worker.settings.socket.time_wait) == "avoid"
    backlog = min(max(operator.index(backlog), 1), _LARGEST_BACKLOG)
    try:
        addresses = await _resolve(actor, host or "0.0.0.0", port, os_socket.AI_PASSIVE)
        # A name may have addresses of both families: clients that were told of a port mostly try IPv4.
        addresses.sort(key=lambda address: address[0] != os_socket.AF_INET)
        return await actor.worker.sockets.listen(
            actor, addresses, backlog, half_close=bool(half_close), avoid_time_wait=avoid
        )
    except OSError as error:
        raise ListenError(error.errno or 0, error.strerror or str(error), host, port) from error


async def start(fd: int, accept: Callable[[int, SocketAddress], Any] | None = None) -> None:
    """Take ownership of a socket and begin reading; of a listening one, and begin accepting.

    `accept(fd, address)` runs as a task of its own for every client; the client must be started within
    `[socket] claim_timeout` seconds. When `accept` raises, the traceback is logged and the client's socket, if it is
    still this actor's, is shut down.
    A socket that the peer has half closed is started like any other: reads return the remaining bytes, then None.
    Raises SocketClosed for an unknown or closed socket.
    """
    actor = current_actor()
    sockets = actor.worker.sockets
    ownership = sockets.ownership
    while (socket := ownership.get(fd)) is None:
        await sockets.other_workers.take_over(fd, actor)
    if isinstance(socket, ListenerSocket):
        if accept is None:
            raise TypeError(f"socket {fd} listens: start(fd, accept) needs the function that gets its clients")
        ownership.start_listener(socket, actor, accept)
    elif accept is not None:
        raise TypeError(f"socket {fd} is a connection: start(fd) takes no accept function")
    else:
        ownership.start(socket, actor)


async def open(host: str, port: int, timeout: float | None = None) -> int:  # noqa: A001 - the verb of skynet
    """Connect to `host`, trying every address that the name has, and return the fd. The socket is started.

    Raises OSError when no address answers, TimeoutError after `timeout` seconds. A cancelled open closes the attempt.
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
        raise ValueError(f"{port} is not a port: a port is a number from 0 to 65535")
    for family in (os_socket.AF_INET, os_socket.AF_INET6):  # a numeric address needs no look-up, which costs a thread
        with contextlib.suppress(OSError):
            os_socket.inet_pton(family, host)
            return [(int(family), host, port)]
    found = await actor.worker.loop.getaddrinfo(host, port, type=os_socket.SOCK_STREAM, flags=flags)
    return [(int(family), str(address[0]), int(address[1])) for family, _, _, _, address in found]


# -- reading --
# Each verb looks its socket up by itself: one more call would cost as much as the look-up.


async def read(fd: int, n: int | None = None) -> bytes | None:
    """Return exactly n bytes, or with None all that have arrived (at least one byte). Return None at end-of-file.

    Fewer than n bytes before the end stay, and `read(fd)` returns them. Cancelling takes nothing.
    Raises SocketBroken once, behind the bytes that came before a reset; SocketBusy when another task reads;
    SocketClosed when the socket is not this actor's or is closed meanwhile.
    """
    actor = current_actor()
    socket = actor.worker.sockets.own.get(fd)
    if socket is None or socket.owner is not actor or (socket.reader is not None and socket.busy):
        raise _not_readable(fd)
    half = socket.read_half
    needed = 1 if n is None else operator.index(n)
    if needed < 0:
        raise ValueError(f"{n} bytes cannot be read")
    buffer = half.buffer
    while buffer.size < needed:
        if half.state is not LENT and half.state is not OPEN:
            socket.raise_if_broken()
            return None
        socket.lease.want(needed)
        await socket.readable(needed, sized=n is not None)
        socket.check_reader(actor)
    data = buffer.read(buffer.size if n is None else needed)
    if half.read > half.grant_above:
        socket.lease.want()
    return data


async def readline(fd: int, sep: bytes = b"\n", limit: int = 65536) -> bytes | None:
    r"""Return a line without its separator; None at end-of-file. Bytes behind the last separator stay for `read(fd)`.

    Raises BufferLimit as soon as more than `limit` bytes have no separator: every byte stays, and can be taken with
    `read` or a larger limit. For the other errors see `read`.
    """
    actor = current_actor()
    socket = actor.worker.sockets.own.get(fd)
    if socket is None or socket.owner is not actor or (socket.reader is not None and socket.busy):
        raise _not_readable(fd)
    if type(sep) is not bytes or not sep or type(limit) is not int:
        sep, limit = _checked_line(sep, limit)
    half = socket.read_half
    buffer = half.buffer
    while (line := buffer.read_line(sep, limit) if buffer.size else None) is None:
        if half.state is not LENT and half.state is not OPEN:
            socket.raise_if_broken()
            return None
        if half.read + limit >= half.limit:
            socket.lease.want(limit + len(sep))
        await socket.readable()
        socket.check_reader(actor)
    if half.read > half.grant_above:
        socket.lease.want()
    return line


async def readall(fd: int) -> bytes:
    """Return all bytes up to end-of-file, maybe none.

    Raises SocketBroken on a reset; the bytes that came before it stay for `read(fd)`. For the other errors see `read`.
    """
    actor = current_actor()
    socket = actor.worker.sockets.own.get(fd)
    if socket is None or socket.owner is not actor or (socket.reader is not None and socket.busy):
        raise _not_readable(fd)
    half = socket.read_half
    while half.state is LENT or half.state is OPEN:
        socket.lease.want(half.buffer.size + half.window)
        await socket.readable(half.buffer.size + half.window // 2)
        socket.check_reader(actor)
    socket.raise_if_broken()
    return half.buffer.read_all()


def _checked_line(sep: object, limit: object) -> tuple[bytes, int]:
    if not isinstance(sep, bytes | bytearray | memoryview):
        raise TypeError(f"a separator must be bytes, not {type(sep).__name__}")
    if not sep:
        raise ValueError("the separator is empty")
    return bytes(sep), operator.index(limit)  # type: ignore[arg-type]  # raises TypeError


# -- writing --


def write(fd: int, data: bytes | bytearray | memoryview, priority: Literal["high", "low"] = "high") -> bool:
    """Queue a message and return at once; mutable data is copied.

    Return True when the message is accepted, not yet delivered; False when this side is closed or known to be broken,
    and when too much is under way to the worker that has the socket. Any actor may write to any socket: a message that
    was written before another goes before it. Whole messages never interleave; high priority goes before low.
    """
    level = HIGH if priority == "high" else _level(priority)
    if type(data) is not bytes:
        data = _immutable(data)
    if len(data) > WRITE_SIZE_LIMIT:
        raise ValueError(f"{len(data)} bytes are too many for one write, the limit is {WRITE_SIZE_LIMIT}")
    return current_actor().worker.sockets.write(fd, data, level)


def _level(priority: str) -> int:
    if priority != "low":
        raise ValueError(f'priority={priority!r}: it must be "high" or "low"')
    return LOW


def _immutable(data: object) -> bytes:
    if not isinstance(data, bytes | bytearray | memoryview):
        raise TypeError(f"a socket carries bytes, not {type(data).__name__}")
    return bytes(data)


async def drain(fd: int) -> None:
    """Wait until less than `[socket] high_water` bytes are unsent; a wait goes on until less than `low_water` are.

    Raises SocketBroken when they can never be sent, SocketClosed when the socket is closed.
    """
    sockets = current_actor().worker.sockets
    if sockets.get(fd) is None or fd in sockets.returning:
        await sockets.wait_until_drained_elsewhere(fd)
        return
    socket = connection(fd)
    await sockets.wait_until_drained(socket)
    lease = socket.lease
    if lease.error:
        raise SocketBroken(lease.error, os.strerror(lease.error))
    if lease.state is LeaseState.CLOSING:
        raise SocketClosed(f"socket {fd} was closed")
    if lease.state is LeaseState.YIELDED:  # the written messages go on their way from another worker
        await drain(fd)


# -- ending --


async def close(fd: int) -> None:
    """Close safely: the socket is gone at once, whichever actor owns it; a second close is harmless.

    In the background everything queued is delivered, then FIN, then the peer's end-of-file is awaited for at most
    `[socket] linger` seconds. Tasks that read from the socket get SocketClosed. A socket of another worker is closed
    there, behind everything that this actor has written to it.
    """
    sockets = current_actor().worker.sockets
    socket = sockets.get(fd)
    if socket is not None:
        sockets.ownership.close(socket)
    else:
        sockets.other_workers.end(fd, "close")


def shutdown(fd: int, how: Literal["rw", "w", "r"] = "rw") -> None:
    """Finish one half of a connection, or drop it, whichever actor owns it.

    "rw": drop everything now (skynet's shutdown). "w": send what is queued, then FIN, and go on reading. "r": stop
    reading. Harmless on a closed socket. Raises TypeError for a half of a listening socket.
    """
    if how not in ("rw", "w", "r"):
        raise ValueError(f'how={how!r}: it must be "rw", "w" or "r"')
    current_actor().worker.sockets.other_workers.end(fd, how)


def abort(fd: int) -> None:
    """Drop everything now, and let the peer know by a reset that it is no orderly end, whichever actor owns the socket.

    Harmless on a closed socket.
    """
    current_actor().worker.sockets.other_workers.end(fd, "abort")


def _not_readable(fd: int) -> Exception:
    """Return the error that says why the current actor cannot read from a socket."""
    actor = current_actor()
    sockets = actor.worker.sockets
    socket = sockets.get(fd)
    if socket is None:
        return not_here(fd)
    if isinstance(socket, ListenerSocket):
        return TypeError(f"socket {fd} listens: it carries no bytes")
    if socket.owner is actor:
        return SocketBusy(f"another task is reading from socket {fd}")
    if socket.owner is None and socket.reports_to is actor:
        return RuntimeError(f"socket {fd} has not been started: call `await socket.start({fd})` first")
    return of_another_actor(fd, 0 if socket.owner is None else socket.owner.address)
