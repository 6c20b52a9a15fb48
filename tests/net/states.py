"""Ways for a real connection into each of its states."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Mapping
from typing import Final

from skypy.core.tcp.state import State
from tests.net.players import PLENTY, Held
from tests.net.stage import Stage

_Step = Callable[[Held, socket.socket], object]


def _write(held: Held, peer: socket.socket) -> None:
    held.write(PLENTY)  # the peer does not read: most of it stays queued


def _finish(held: Held, peer: socket.socket) -> None:
    held.shutdown("w")


def _stop_reading(held: Held, peer: socket.socket) -> None:
    held.shutdown("r")


def _break(held: Held, peer: socket.socket) -> None:
    held.write(b"never sent", error=errno.EPIPE)


def _close(held: Held, peer: socket.socket) -> None:
    held.close()


def _peer_finishes(held: Held, peer: socket.socket) -> None:
    peer.shutdown(socket.SHUT_WR)


_WAYS: Final[Mapping[State, tuple[_Step, ...]]] = {
    State.OPEN: (),
    State.FINISHING: (_write, _finish),
    State.HALF_CLOSED_WRITE: (_finish,),
    State.WRITE_BROKEN: (_break,),
    State.HALF_CLOSED_READ: (_peer_finishes,),
    State.HALF_CLOSED_READ_FINISHING: (_peer_finishes, _write, _finish),
    State.READ_STOPPED: (_stop_reading,),
    State.READ_STOPPED_FINISHING: (_stop_reading, _write, _finish),
    State.CLOSING: (_write, _close),
    State.CLOSING_HALF_CLOSED: (_peer_finishes, _write, _close),
    State.LINGERING: (_close,),
}


OWNED: Final = (
    State.OPEN,
    State.FINISHING,
    State.HALF_CLOSED_WRITE,
    State.HALF_CLOSED_READ,
    State.HALF_CLOSED_READ_FINISHING,
    State.READ_STOPPED,
    State.READ_STOPPED_FINISHING,
)
"""The states from which an owner closes its socket, except a broken one."""


def bring_to(stage: Stage, state: State, *, unsent: bool = False) -> tuple[Held, socket.socket]:
    """Make a tight connection in `state`, and its peer; the reports on the way are cleared away.

    `unsent`: with PLENTY queued also where the state does not ask for it.
    """
    held, peer = stage.pair()
    for step in _WAYS[state]:
        step(held, peer)
        stage.settle()
    if unsent and not held.out:
        held.write(PLENTY)
    stage.until_state(held, state)
    stage.settle()
    held.worker.reports.clear()
    return held, peer


def paused(stage: Stage) -> tuple[Held, socket.socket]:
    """Make an open connection whose credit is used up while a byte waits, and its peer."""
    held, peer = stage.pair(credit=1)
    peer.sendall(b"ab")
    stage.until(lambda: held.input == b"a", "what was granted")
    stage.settle()
    held.worker.reports.clear()
    return held, peer
