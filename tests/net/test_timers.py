"""Timers that are taken back: they are not called, and keep nothing alive."""

from __future__ import annotations

import gc
from collections.abc import Callable
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from skypy.core.tcp.state import State
from skypy.net.connected_socket import ConnectedSocket
from skypy.net.reactor import Reactor, Timer
from skypy.system.socket_kernel import SocketKernel
from tests.net.stage import Stage
from tests.net.states import bring_to


class _NeverReady:
    """A handler that is never ready."""

    def fileno(self) -> int:
        raise AssertionError("nothing is watched")

    def handle(self, events: int) -> None:
        raise AssertionError("nothing is watched")

    def fail(self) -> None:
        raise AssertionError("nothing fails")


def called(name: int, calls: list[int]) -> Callable[[float], None]:
    return lambda _: calls.append(name)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=40), st.randoms(use_true_random=False))
def test_calls_that_were_not_cancelled_are_made_in_order(wanted: list[tuple[int, bool]], random: Random) -> None:
    reactor = Reactor(lambda: None, log=print, kernel=SocketKernel())
    try:
        calls: list[int] = []
        timers: list[tuple[int, Timer]] = [
            (number, reactor.call_at(float(when), _NeverReady(), called(number, calls)))
            for number, (when, _) in enumerate(wanted)
        ]
        random.shuffle(timers)
        for number, timer in timers:
            if wanted[number][1]:
                reactor.cancel(timer)
                reactor.cancel(timer)  # twice is harmless
        due = sorted((when, number) for number, (when, cancelled) in enumerate(wanted) if not cancelled)
        assert reactor.next_deadline == (due[0][0] if due else None)
        reactor.turn(0)
        assert calls == [number for _, number in due]
        assert reactor.next_deadline is None
    finally:
        reactor.close()


def test_connections_that_have_ended_are_not_kept_until_their_deadlines(stage: Stage) -> None:
    bring_to(stage, State.HALF_CLOSED_READ)  # its deadline comes before the others'
    for _ in range(20):
        held, _ = bring_to(stage, State.HALF_CLOSED_READ)
        held.close()
        stage.until_state(held, State.CLOSED)
    kept = [
        found
        for found in gc.get_objects()
        if isinstance(found, ConnectedSocket) and found._shared is stage.service.shared
    ]
    assert len(kept) == 1
    assert len(stage.service.reactor._timers) <= 3  # of the connection that is left, and at most as many again
