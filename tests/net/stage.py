"""A socket service in the test's own process, and everything around it."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import socket
import struct
import termios
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import pytest

from skypy.core.tcp.connection import Connection
from skypy.core.tcp.state import State
from skypy.net.service import SocketService
from tests.net.players import CREDIT_FOR_ALL, HOST, Held, Worker

BOUND_SECONDS: Final = 20.0
"""The longest wait: nothing takes so long, and a wait that does fails its test."""
BUFFER: Final = 16384
"""The bytes that the kernel is asked to buffer on either side of a tight connection."""


def reset(peer: socket.socket) -> None:
    """Close with RST."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def await_kernel(socket_: socket.socket, events: int) -> None:
    """Wait until the kernel says that one of the poll events has come for a socket."""
    poll = select.poll()
    poll.register(socket_, events)
    assert poll.poll(BOUND_SECONDS * 1000), f"the kernel reported none of {events:#x}"


def unacknowledged(socket_: socket.socket) -> int:
    """Count the bytes in the kernel that the other side has not acknowledged; a FIN counts as one."""
    count: int = struct.unpack("i", fcntl.ioctl(socket_, termios.TIOCOUTQ, bytes(4)))[0]
    return count


class Stage:
    """A socket service with everything around it."""

    def __init__(self, service: SocketService, lines: list[str]) -> None:
        self.service = service
        self.lines = lines
        self.workers: list[Worker] = []
        self.peers: list[socket.socket] = []
        self.worker = Worker(self)
        self._listeners: dict[Worker, Held] = {}

    def add_worker(self) -> Worker:
        """Let one more worker join."""
        return Worker(self)

    def patience(self, *, linger: float = 5.0, flush_timeout: float = 30.0, half_close_timeout: float = 300.0) -> None:
        """Give the socket service other deadlines, for sockets that are closed or half closed from now on."""
        self.service.shared.settings = replace(
            self.service.shared.settings,
            linger=linger,
            flush_timeout=flush_timeout,
            half_close_timeout=half_close_timeout,
        )

    # -- turning the reactor --

    def turn(self, wait: float = 0.0) -> None:
        """Run one turn of the socket service; then the workers read its reports."""
        self.service.reactor.turn(wait)
        for worker in self.workers:
            worker.take()

    def until(self, condition: Callable[[], object], wanted: str) -> None:
        """Turn the socket service until a condition holds."""
        bound = time.monotonic() + BOUND_SECONDS
        while not condition():
            if time.monotonic() > bound:
                told = {number: worker.reports[-20:] for number, worker in enumerate(self.workers)}
                pytest.fail(f"{wanted} never came; reported: {told!r:.2000}; logged: {self.lines}")
            self.turn(0.01)

    @property
    def ready(self) -> list[tuple[int, int]]:
        """The (descriptor, events) that the socket service would be woken for now."""
        return self.service.reactor._poller.wait(0)

    def settle(self, turns: int = 200) -> None:
        """Turn the socket service until nothing wakes it any more; it must come to rest within `turns` turns."""
        for _ in range(turns):
            if not self.ready and all(worker.lane.idle or worker.ended for worker in self.workers):
                return
            self.turn()
        pytest.fail(f"the socket service is still woken after {turns} turns: {self.ready}")

    def connection(self, held: Held) -> Connection | None:
        """Return the socket service's end of a connection; None when it has ended."""
        connected = self.service._sockets.get(held.id)
        return None if connected is None else connected.connection

    def state(self, held: Held) -> State:
        """Return the state of a connection in the socket service."""
        connection = self.connection(held)
        return State.CLOSED if connection is None else connection.state

    def until_state(self, held: Held, state: State) -> None:
        """Turn the socket service until a connection is in `state`."""
        self.until(lambda: self.state(held) is state, f"socket {held.id} in {state.name}")

    # -- peers --

    def peer(self, port: int, *, receive_buffer: int = 0) -> socket.socket:
        """Connect a client to a port."""
        peer = self.keep(socket.socket())
        if receive_buffer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        peer.settimeout(BOUND_SECONDS)
        peer.connect((HOST, port))
        peer.setblocking(False)
        return peer

    def server(self, backlog: int = 64) -> tuple[socket.socket, int]:
        """Return a listening socket that is no business of the socket service, and its port."""
        server = self.keep(socket.create_server((HOST, 0), backlog=backlog))
        server.setblocking(False)
        return server, server.getsockname()[1]

    def refused_port(self) -> int:
        """Return a port that refuses clients: it is bound, so that it stays free, and not listening."""
        bound = self.keep(socket.socket())
        bound.bind((HOST, 0))
        port: int = bound.getsockname()[1]
        return port

    def silent_port(self) -> int:
        """Return a port whose queue of clients is full: connecting to it never ends."""
        _, port = self.server(backlog=0)
        for _ in range(8):
            client = self.keep(socket.socket())
            client.setblocking(False)
            client.connect_ex((HOST, port))
        return port

    def keep(self, socket_: socket.socket) -> socket.socket:
        """Close a socket with the stage."""
        self.peers.append(socket_)
        return socket_

    def pair(
        self, worker: Worker | None = None, *, credit: int = CREDIT_FOR_ALL, listener: Held | None = None
    ) -> tuple[Held, socket.socket]:
        """Make a tight connection: the socket accepted for a worker, and its peer. Credit 0: not started."""
        worker = worker or self.worker
        listener = listener or self._listeners.get(worker)
        if listener is None:
            listener = self._listeners[worker] = worker.listen(credit=CREDIT_FOR_ALL)
        before = len(worker.accepted(listener))
        peer = self.peer(listener.address[1], receive_buffer=BUFFER)
        self.until(lambda: len(worker.accepted(listener)) > before, "the client")
        held = worker.accepted(listener)[-1]
        held.duplicate.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        if credit:
            held.credit(credit)
            self.turn()
        return held, peer

    def read(self, peer: socket.socket, size: int) -> bytes:
        """Read exactly `size` bytes that come to a peer."""
        pieces: list[bytes] = []

        def read() -> bool:
            with contextlib.suppress(BlockingIOError):
                while (left := size - sum(map(len, pieces))) and (piece := peer.recv(left)):
                    pieces.append(piece)
            return sum(map(len, pieces)) == size

        self.until(read, f"{size} bytes at the peer")
        return b"".join(pieces)

    def read_to_end(self, peer: socket.socket) -> tuple[bytes, int]:
        """Read everything that comes to a peer, and the errno of its end: 0 for a clean end-of-file."""
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)  # tiny windows wait for the kernel's timers
        pieces: list[bytes] = []
        ends: list[int] = []

        def read() -> list[int]:
            try:
                while piece := peer.recv(1 << 20):
                    pieces.append(piece)
            except BlockingIOError:
                return []
            except OSError as error:
                ends.append(error.errno or errno.EIO)
            else:
                ends.append(0)
            return ends

        self.until(read, "the end at the peer")
        return b"".join(pieces), ends[0]

    def echo(self, held: Held, peer: socket.socket) -> None:
        """Show that a connection that is started works in both directions."""
        before = len(held.input)
        peer.sendall(b"ping")
        self.until(lambda: held.input[before:] == b"ping", "the peer's bytes")
        held.write(b"pong")
        assert self.read(peer, 4) == b"pong"

    # -- the end --

    def close(self) -> None:
        """Close the peers and the workers; the socket service must come to its end by itself."""
        for peer in self.peers:
            peer.close()
        for worker in self.workers:
            worker.die()
        self.until(lambda: not self.service.busy, "the end of the socket service")
        self.turn()
        self.service.reactor.close()
        spare = self.service.shared.spare._descriptor
        assert spare is not None
        os.close(spare)
