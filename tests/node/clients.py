"""Clients as raw sockets, and the ways in which they end."""

import contextlib
import fcntl
import itertools
import random
import re
import socket
import struct
import termios
import time
from collections.abc import Iterator
from pathlib import Path

from tests.node.harness import SECONDS, RunningNode

FINAL = b"FINAL\n" * 10


def read_to_end(client: socket.socket) -> bytes:
    """Everything up to end-of-file; a reset raises ConnectionResetError."""
    with client.makefile("rb") as file:
        return file.read()


def read_exactly(client: socket.socket, size: int) -> bytes:
    """So many bytes, or fewer at end-of-file."""
    data = bytearray()
    while len(data) < size and (more := client.recv(size - len(data))):  # MSG_WAITALL waits not with a time limit
        data += more
    return bytes(data)


def finish(client: socket.socket) -> None:
    """FIN: nothing more is sent."""
    client.shutdown(socket.SHUT_WR)


def reset(client: socket.socket) -> None:
    """RST: the connection is gone, and the kernel of the server knows it when this returns."""
    ports = client.getpeername()[1], client.getsockname()[1]
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
    deadline = time.monotonic() + SECONDS
    while connection_exists(*ports):
        assert time.monotonic() < deadline, "the server's kernel has not taken the reset"


def unacknowledged(client: socket.socket) -> int:
    """Return the number of bytes that have not arrived at the server's kernel."""
    size: int = struct.unpack("i", fcntl.ioctl(client, termios.TIOCOUTQ, bytes(4)))[0]
    return size


def connection_exists(local: int, remote: int) -> bool:
    """Return True if the kernel has a connection between two ports of this machine."""
    ends = rf"0100007F:{local:04X} 0100007F:{remote:04X} "
    return re.search(ends, Path("/proc/net/tcp").read_text()) is not None


def is_gone(client: socket.socket) -> bool:
    """Return True if the server has ended a connection, in order or by reset, and has sent nothing more."""
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        return read_to_end(client) == b""
    return True


def refuses_clients(node: RunningNode) -> bool:
    """Return True if no process listens at the port any more."""
    try:
        node.connect().close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:  # the listener was closed before anybody could accept this one
        pass
    return False


def random_line(source: random.Random, longest: int) -> bytes:
    """1 to `longest` bytes and a newline; short lines are as likely as long ones."""
    return source.randbytes(round(longest ** source.random())).replace(b"\n", b"-") + b"\n"


def random_pieces(source: random.Random, data: bytes) -> Iterator[bytes]:
    """The data, split at random points."""
    points = sorted(source.choices(range(len(data)), k=len(data) // 10000))
    for start, end in itertools.pairwise((0, *points, len(data))):
        yield data[start:end]


def ends_alone(node: RunningNode, port: int, size: int) -> None:
    """A client whose line is too long is ended, and the log says why; another one notices nothing."""
    with node.connect(port) as other, node.connect(port) as client:
        other.sendall(b"before\n")
        assert read_exactly(other, 7) == b"before\n"
        port_of_client = client.getsockname()[1]
        node.expect_trouble(rf"^\[:01000001\] error in accept of 127\.0\.0\.1:{port_of_client}$")
        node.expect_trouble(r"Traceback")
        node.expect_trouble(r"BufferLimit: ")
        client.sendall(b"x" * size)
        assert is_gone(client)
        other.sendall(b"after\n")
        assert read_exactly(other, 6) == b"after\n"
