"""A fault that only concerns one connection or one worker ends that one, with a line in the log, and no other."""

from __future__ import annotations

import contextlib
import errno
import socket
import subprocess
import sys
from typing import Any

import pytest

from skypy.core.wire.socket_lane import CONNECT, CREDIT, LISTEN, LOW, SHUTDOWN, SOCKET_FAILED, SOCKET_OPEN, WRITE
from tests.net.players import HOST, Held
from tests.net.stage import Stage


@pytest.mark.parametrize(
    "wrong",
    [
        (SHUTDOWN, "w"),  # sent for the second time
        (SHUTDOWN,),
        (WRITE, 0, [(LOW, "a text")], 0),
        (WRITE, 0, [(LOW,)], 0),
        (WRITE, 0, 5, 0),
        (WRITE, 0),
        (CREDIT, "a text"),
        (CREDIT, 5.0),
    ],
    ids=repr,
)
def test_a_request_that_makes_no_sense_ends_the_connection_that_it_is_about(
    stage: Stage, wrong: tuple[Any, ...]
) -> None:
    friend, friends_peer = stage.pair()
    held, peer = stage.pair(credit=0)
    kind, *fields = wrong
    if kind == SHUTDOWN:
        held.shutdown("w")
    held.send(kind, *fields)
    stage.settle()
    with contextlib.suppress(ConnectionError):  # it may have met the reset already
        peer.send(b"something to read")
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    assert held.ends == [errno.EIO]
    stage.settle()
    [line] = stage.lines
    assert line.startswith("[socket service] a bug in skypy, please report it:\nTraceback")
    stage.echo(friend, friends_peer)


@pytest.mark.parametrize(
    "wrong",
    [
        (CONNECT, 1, [(socket.AF_INET, HOST, 70000)]),
        (LISTEN, 1, [(socket.AF_INET, HOST, 70000)], 16, False, True),
        (LISTEN, 1, [(socket.AF_INET, HOST, 0)], 1 << 40, False, True),
    ],
)
def test_a_number_that_the_kernel_cannot_be_told_ends_the_worker_that_said_it(
    stage: Stage, wrong: tuple[Any, ...]
) -> None:
    other = stage.add_worker()
    friend, friends_peer = stage.pair(other)
    held, peer = stage.pair()
    held.write(b"handed over before")
    stage.worker.send(*wrong)
    stage.until(lambda: stage.worker.ended, "the end of the lane")
    assert stage.read_to_end(peer) == (b"handed over before", 0)
    assert stage.lines
    stage.echo(friend, friends_peer)


def test_a_batch_that_cannot_be_packed_ends_the_lane_that_it_is_for_and_no_other(stage: Stage) -> None:
    other = stage.add_worker()
    friend, friends_peer = stage.pair(other)
    held, peer = stage.pair()
    held.write(b"handed over before")
    stage.settle()
    stage.worker.far_end.send((SOCKET_OPEN, object()))
    stage.until(lambda: stage.worker.ended, "the end of the lane")
    assert stage.read_to_end(peer) == (b"handed over before", 0)
    assert any("can not serialize" in line for line in stage.lines)
    stage.echo(friend, friends_peer)


def await_reset(stage: Stage, held: Held) -> None:
    held.credit()
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    assert held.ends == [errno.ECONNRESET]


HOSTILE_SERVER = """
import socket, struct, sys

server = socket.socket(fileno=int(sys.argv[1]))
while True:
    client, _ = server.accept()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
"""


def test_servers_that_reset_at_once_end_their_own_connections_only(stage: Stage) -> None:
    friend, friends_peer = stage.pair()
    server, port = stage.server()
    server.setblocking(True)
    command = [sys.executable, "-c", HOSTILE_SERVER, str(server.fileno())]
    hostile = subprocess.Popen(command, pass_fds=[server.fileno()])
    try:
        for _ in range(100):
            answer = stage.worker.answer(stage.worker.connect(port))
            if answer[0] == SOCKET_OPEN:
                await_reset(stage, stage.worker.held[answer[2]])
            else:
                assert (answer[0], answer[2]) == (SOCKET_FAILED, errno.ECONNRESET)
    finally:
        hostile.kill()
        hostile.wait()
    assert stage.lines == []
    stage.echo(friend, friends_peer)
