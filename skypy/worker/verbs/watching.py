"""The verbs that look at a socket, hold its flow, and tell of its end."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from skypy.core.address import format_address
from skypy.core.errors import SocketClosed
from skypy.core.socket_address import SocketAddress
from skypy.core.socket_info import TCP_INFO_SIZE, SocketInfo, TcpInfo
from skypy.core.tcp.lease import OWNED
from skypy.core.tcp.read_half import LENT, OPEN
from skypy.worker.sockets.listener import ListenerSocket
from skypy.worker.sockets.ownership import AnySocket
from skypy.worker.sockets.stream_socket import NO_LIMIT, StreamSocket
from skypy.worker.worker import current_actor

# -- addresses and states --


def local_address(fd: int) -> SocketAddress:
    """Return this end's address, "host:port" with the attributes host and port.

    Raises SocketClosed for an unknown socket.
    """
    socket = _any(fd)
    if socket.local is None:
        socket.local = _ask_kernel(socket)
    return socket.local


def peer_address(fd: int) -> SocketAddress:
    """Return the peer's address, "host:port" with the attributes host and port.

    Raises SocketClosed for an unknown socket, TypeError for a listening one.
    """
    return connection(fd).peer


def _ask_kernel(socket: AnySocket) -> SocketAddress:
    if socket.descriptor is None:
        raise SocketClosed(f"socket {socket.id} has ended: its local address is not known any more")
    return SocketAddress(*current_actor().worker.sockets.kernel.local_address(socket.descriptor))


def _any(fd: int) -> AnySocket:
    socket = current_actor().worker.sockets.get(fd)
    if socket is None:
        raise SocketClosed(f"socket {fd} is closed or was never open")
    return socket


def connection(fd: int) -> StreamSocket:
    """Return a connection that an actor of this worker has. Raises SocketClosed, TypeError for a listening socket."""
    socket = _any(fd)
    if isinstance(socket, ListenerSocket):
        raise TypeError(f"socket {fd} listens: it carries no bytes")
    return socket


def owned(fd: int) -> StreamSocket:
    """Return a connection of the current actor.

    Raises SocketClosed, which names the owner; TypeError for a listening socket.
    """
    socket = current_actor().worker.sockets.get(fd)
    if socket is None:
        raise not_here(fd)
    if isinstance(socket, ListenerSocket):
        raise TypeError(f"socket {fd} listens: it carries no bytes")
    if not current_actor().has_socket(fd):
        raise of_another_actor(fd, 0 if socket.owner is None else socket.owner.address)
    return socket


def not_here(fd: int) -> SocketClosed:
    """Return the error for a verb of the owner on a socket that this worker has not."""
    owner = current_actor().worker.sockets.owner_elsewhere(fd)
    return of_another_actor(fd, owner) if owner else SocketClosed(f"socket {fd} is closed or was never open")


def of_another_actor(fd: int, owner: int) -> SocketClosed:
    """Return the error for a verb of the owner that another actor has used; `owner` is an address, 0 for no owner."""
    if not owner:
        return SocketClosed(f"socket {fd} belongs to no actor: take it over with `await socket.start({fd})`")
    return SocketClosed(
        f"socket {fd} belongs to another actor, {format_address(owner)}: take it over with `await socket.start({fd})`"
    )


def invalid(fd: int) -> bool:
    """Return True if the current actor has no such socket (skynet's socket.invalid)."""
    return not current_actor().has_socket(fd)


def disconnected(fd: int) -> bool:
    """Return True if the peer has finished or the connection is broken; bytes may still be there to be read.

    The end is noticed as soon as it has arrived, also while nothing is read. A closed or unknown socket is disconnected
    too.
    """
    socket = current_actor().worker.sockets.get(fd)
    if isinstance(socket, ListenerSocket):
        return False
    return (
        socket is None or socket.read_half.hung_up or socket.close_reason is not None or socket.lease.state is not OWNED
    )


def info(fd: int) -> SocketInfo:
    """Return the facts about one of this worker's sockets now. Raises SocketClosed for an unknown one."""
    socket = _any(fd)
    local = local_address(fd)
    if isinstance(socket, ListenerSocket):
        return SocketInfo(fd, "listener", "LISTENING", socket.owner.address, local, "", received=socket.accepted)
    tcp_info = _ask_kernel_of(socket)
    return SocketInfo(
        fd,
        "connection",
        _state(socket),
        socket.reports_to.address,
        local,
        socket.peer,
        received=socket.read_half.read,
        sent=socket.write_half.sent,
        queued=_queued(socket, tcp_info),
        unread=socket.read_half.buffer.size,
        last_received=tcp_info.last_data_received_seconds if tcp_info else 0.0,
        last_sent=tcp_info.last_data_sent_seconds if tcp_info else 0.0,
    )


async def netstat() -> list[SocketInfo]:
    """Return every socket of the node, of any actor in any worker, as the socket service has it (skynet's netstat)."""
    return (await current_actor().worker.sockets.netstat())[0]


async def counters() -> dict[str, int]:
    """Return how often rare events have happened in the socket service, as {name: count}.

    They are the ends of connections by their reason, dropped requests and refusals.
    """
    return (await current_actor().worker.sockets.netstat())[1]


def _ask_kernel_of(socket: StreamSocket) -> TcpInfo | None:
    if socket.descriptor is None:
        return None
    return TcpInfo.parse(current_actor().worker.sockets.kernel.tcp_info(socket.descriptor, TCP_INFO_SIZE))


def _queued(socket: StreamSocket, tcp_info: TcpInfo | None) -> int:
    """Return the bytes that were written and that the peer has not acknowledged, as far as the kernel can be asked."""
    half = socket.write_half
    if tcp_info is None:
        return half.unsent
    return max(half.out + half.corked.size + socket.has_connected - tcp_info.acknowledged, 0)


def _state(socket: StreamSocket) -> str:
    """Return the state in the words of the table of connections, as far as a worker knows it."""
    if socket.lease.state is not OWNED:
        return "CLOSED"
    if socket.lease.error:
        return "WRITE_BROKEN"
    halves = {
        (True, True): "OPEN",
        (False, True): "HALF_CLOSED_READ",
        (True, False): "HALF_CLOSED_WRITE",
        (False, False): "CLOSED",
    }
    return halves[socket.read_half.state in (OPEN, LENT), socket.write_half.writable]


# -- flow --


def pause(fd: int) -> None:
    """Take no more input: TCP slows the peer down. Input under way, at most `[socket] read_window`, still comes.

    A read that has to wait resumes the input, as in skynet; so does `resume`. The peer's end is noticed all the same.
    Raises SocketClosed when the socket is not this actor's.
    """
    owned(fd).lease.pause()


def resume(fd: int) -> None:
    """Take input again. Harmless when the socket was not paused. Raises SocketClosed when it is not this actor's."""
    owned(fd).lease.resume()


def limit(fd: int, n: int | None) -> None:
    """Let at most n bytes lie unread (None: no limit), where no reader waits for a certain number.

    A connection that exceeds it is reset with a line in the log; its reader gets BufferLimit behind what came before.
    Raises SocketClosed when the socket is not this actor's.
    """
    if n is not None and operator.index(n) < 0:
        raise ValueError(f"n={n!r}: a limit must be at least 0, or None")
    owned(fd).unread_limit = NO_LIMIT if n is None else n


# -- callbacks --


def onclose(fd: int, function: Callable[[int, str], Any]) -> None:
    """Call `function(fd, reason)` in a task of its own when the peer has finished or the connection has ended.

    The reason is one of the names of `CloseReason`: "eof", "reset", "closed" and "shutdown" for the actor's own acts,
    "write_limit", ... It comes once; only behind "eof" one more may follow, when the other half breaks or times out.
    A later function replaces this one, and is called soon if the end has come already. The function is dropped when the
    actor's ownership ends. Raises SocketClosed when the socket is not this actor's.
    """
    socket = owned(fd)
    current_actor().worker.sockets.notices.set_on_close(socket, function)


def onwarning(fd: int, function: Callable[[int, int], Any] | None) -> None:
    """Call `function(fd, bytes)` when unsent output passes a mark, each doubling of it, and with 0 once all has left.

    The mark is 1 MiB, or twice `[socket] high_water` if that is more: a service that drains hears nothing. Without a
    function (None) there is a line in the log instead. The function is dropped when the actor's ownership ends. Raises
    SocketClosed when the socket is not this actor's.
    """
    owned(fd).on_warning = function


def abandon(fd: int) -> None:
    """Let go of a connection without closing it: another actor may start it, within `[socket] claim_timeout`.

    Unread bytes stay for it. Raises SocketClosed when the socket is not the current actor's.
    """
    current_actor().worker.sockets.ownership.abandon(owned(fd))
