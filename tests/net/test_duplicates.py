"""The worker holds a duplicate of every descriptor: a FIN or a reset does not wait until that is closed."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from skypy.core.tcp.state import State
from skypy.core.wire.socket_lane import ABORT, CLOSE, LOW, SHUTDOWN, WRITE
from tests.net.players import PLENTY
from tests.net.stage import Stage, await_kernel
from tests.net.states import bring_to


@pytest.fixture(autouse=True)
def deaf(stage: Stage) -> Callable[[], None]:
    """Make the worker read no SOCKET_FORGET, so that it keeps its duplicates."""

    def stop_reading() -> None:
        stage.worker.reading = False

    return stop_reading


@pytest.mark.parametrize(
    ("state", "last"),
    [
        (State.OPEN, (CLOSE,)),
        (State.OPEN, (SHUTDOWN, "w")),
        (State.OPEN, (ABORT, False)),
        (State.HALF_CLOSED_READ, (CLOSE,)),
        (State.HALF_CLOSED_READ, (SHUTDOWN, "w")),
        (State.HALF_CLOSED_READ, (ABORT, False)),
        (State.HALF_CLOSED_READ_FINISHING, ()),
        (State.READ_STOPPED, (CLOSE,)),
        (State.READ_STOPPED, (SHUTDOWN, "w")),
        (State.READ_STOPPED, (ABORT, False)),
        (State.READ_STOPPED_FINISHING, ()),
        (State.CLOSING, ()),
        (State.CLOSING_HALF_CLOSED, ()),
    ],
)
def test_a_clean_end_reaches_the_peer_at_once(
    stage: Stage, deaf: Callable[[], None], state: State, last: tuple[int | str, ...]
) -> None:
    held, peer = bring_to(stage, state)
    deaf()
    if last:
        stage.worker.send(last[0], held.id, *last[1:])
    assert stage.read_to_end(peer) == (PLENTY[: held.out], 0)


@pytest.mark.parametrize("state", [State.OPEN, State.HALF_CLOSED_READ, State.READ_STOPPED])
def test_a_reset_reaches_the_peer_at_once(stage: Stage, deaf: Callable[[], None], state: State) -> None:
    held, peer = bring_to(stage, state, unsent=True)
    deaf()
    held.abort()
    stage.until_state(held, State.CLOSED)
    await_kernel(peer, 0)  # only errors and hang-ups
    assert stage.read_to_end(peer)[1] == errno.ECONNRESET


def test_the_reset_at_a_deadline_reaches_the_peer_at_once(stage: Stage, deaf: Callable[[], None]) -> None:
    stage.patience(flush_timeout=0.1)
    held, peer = bring_to(stage, State.OPEN, unsent=True)
    deaf()
    held.close()
    stage.until_state(held, State.CLOSED)
    assert stage.read_to_end(peer)[1] == errno.ECONNRESET


def test_the_reset_of_a_faulty_connection_reaches_the_peer_at_once(stage: Stage, deaf: Callable[[], None]) -> None:
    held, peer = bring_to(stage, State.OPEN, unsent=True)
    deaf()
    stage.worker.send(WRITE, held.id, 1, [(LOW, b"somewhere else")], 0)
    stage.until_state(held, State.CLOSED)
    assert stage.read_to_end(peer)[1] == errno.ECONNRESET


def test_a_closed_listener_refuses_at_once(stage: Stage, deaf: Callable[[], None]) -> None:
    listener = stage.worker.listen(credit=1)
    port = listener.address[1]
    stage.settle()
    deaf()
    listener.close()
    stage.settle()
    with pytest.raises(ConnectionRefusedError):
        stage.peer(port)


def test_the_events_of_a_freed_socket_do_not_keep_the_service_awake(stage: Stage, deaf: Callable[[], None]) -> None:
    held, peer = bring_to(stage, State.HALF_CLOSED_WRITE)
    deaf()
    peer.close()
    stage.until_state(held, State.CLOSED)
    stage.settle()
    assert stage.ready == []
    newcomer, newcomers_peer = None, stage.peer(held.address[1])  # may get the number of the old descriptor
    stage.settle()
    stage.worker.reading = True
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    listener = stage.worker.held[min(stage.worker.held)]
    newcomer = stage.worker.accepted(listener)[-1]
    newcomer.credit()
    stage.echo(newcomer, newcomers_peer)
