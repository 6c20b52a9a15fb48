"""The load generator of `skypy bench` without a C compiler: one thread, the load and figures of the C program."""

from __future__ import annotations

import selectors
import socket
import time
from collections import deque

DRAIN_SECONDS = 5.0
RECEIVE_BYTES = 262144


class WrongEchoError(Exception):
    """The server closed a connection, or returned other bytes than it was sent."""


class Connection:
    """One connection that sends a line repeatedly, so the echo is known in advance."""

    def __init__(self, host: str, port: int, line: bytes) -> None:
        self.socket = socket.create_connection((host, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self._line = line
        self._unsent = b""
        self._partial = b""  # of a line that has not come back whole
        self.sent_at: deque[float] = deque()

    def send(self, count: int) -> None:
        """Queue `count` lines, and send as much of the queue as the kernel takes."""
        self.sent_at.extend([time.perf_counter()] * count)
        self._unsent += self._line * count
        self.flush()

    def flush(self) -> None:
        """Send as much of the queue as the kernel takes."""
        if self._unsent:
            try:
                self._unsent = self._unsent[self.socket.send(self._unsent) :]
            except BlockingIOError:
                return

    @property
    def has_unsent(self) -> bool:
        """True if the kernel has not taken everything."""
        return bool(self._unsent)

    def receive(self) -> list[float]:
        """Return the latencies of the lines that have come back whole, in seconds. Raises WrongEchoError, OSError."""
        try:
            data = self._partial + self.socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return []
        now = time.perf_counter()
        if len(data) == len(self._partial):
            raise WrongEchoError("the server closed a connection")
        count, rest = divmod(len(data), len(self._line))
        if count + (rest > 0) > len(self.sent_at):
            raise WrongEchoError("the server sent more than it was given")
        if data != self._line * count + self._line[:rest]:
            raise WrongEchoError("a line came back changed")
        self._partial = data[len(data) - rest :]
        return [now - self.sent_at.popleft() for _ in range(count)]


def run(
    host: str, port: int, connections: int, in_flight: int, line_bytes: int, seconds: float, warmup_seconds: float
) -> dict[str, float]:
    """Keep `in_flight` lines outstanding on each connection; return the figures. Raises WrongEchoError, OSError."""
    line = bytes(97 + index % 26 for index in range(line_bytes - 1)) + b"\n"
    latencies: list[float] = []
    with selectors.DefaultSelector() as selector:
        opened = [Connection(host, port, line) for _ in range(connections)]
        try:
            for connection in opened:
                selector.register(connection.socket, selectors.EVENT_READ, connection)
            started, used = time.perf_counter(), time.process_time()
            measure_from = started + warmup_seconds
            until = measure_from + seconds
            for connection in opened:
                connection.send(in_flight)
            while (now := time.perf_counter()) < until:
                for connection, back in _ready(selector, until - now):
                    if back and time.perf_counter() < until:
                        connection.send(len(back))
                        latencies += back if now >= measure_from else ()
            _drain(selector, opened, until + DRAIN_SECONDS)
            share = (time.process_time() - used) / (time.perf_counter() - started)
        finally:
            for connection in opened:
                connection.socket.close()
    return _result(latencies, seconds, share)


def _ready(selector: selectors.BaseSelector, patience: float) -> list[tuple[Connection, list[float]]]:
    found = []
    for key, events in selector.select(patience):
        connection: Connection = key.data
        connection.flush()
        if events & selectors.EVENT_READ:
            found.append((connection, connection.receive()))
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.has_unsent else 0)
        if wanted != key.events:
            selector.modify(connection.socket, wanted, connection)
    return found


def _drain(selector: selectors.BaseSelector, opened: list[Connection], deadline: float) -> None:
    while any(connection.sent_at for connection in opened):
        if time.perf_counter() > deadline:
            raise WrongEchoError(f"lines were not back {DRAIN_SECONDS:g} s after the last send")
        _ready(selector, 0.05)


def _result(latencies: list[float], seconds: float, share: float) -> dict[str, float]:
    if not latencies:
        raise WrongEchoError("nothing came back")
    latencies.sort()
    return {
        "requests": len(latencies),
        "requests_per_second": len(latencies) / seconds,
        "latency_p50_microseconds": latencies[len(latencies) // 2] * 1e6,
        "latency_p99_microseconds": latencies[len(latencies) * 99 // 100] * 1e6,
        "latency_max_microseconds": latencies[-1] * 1e6,
        "generator_cpu_fraction": share,
        "errors": 0,
    }
