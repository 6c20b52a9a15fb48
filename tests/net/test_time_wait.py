"""Connections that are closed here first leave TIME_WAIT behind in the kernel, or nothing."""

from __future__ import annotations

import pytest

from skypy.core.tcp.state import State
from tests.net.players import CREDIT_FOR_ALL
from tests.net.stage import Stage
from tests.time_wait import in_time_wait


@pytest.mark.parametrize("peer_closes", ["at once", "never"])
def test_with_avoid_a_connection_that_was_closed_leaves_no_time_wait(stage: Stage, peer_closes: str) -> None:
    listener = stage.worker.listen(credit=CREDIT_FOR_ALL, avoid_time_wait=True)
    for _ in range(20):
        held, peer = stage.pair(listener=listener)
        peer.sendall(b"a request")
        stage.until(lambda held=held: held.input, "the request")  # type: ignore[misc]
        held.write_directly(b"all of the answer")
        held.close()
        assert stage.read_to_end(peer) == (b"all of the answer", 0)
        if peer_closes == "at once":
            peer.close()
        stage.until_state(held, State.CLOSED)
        assert held.forgotten
    assert in_time_wait(listener.address[1]) == 0
    assert stage.service.closed == {"closed": 20}


def test_with_avoid_nothing_is_reset_that_the_peer_has_not_acknowledged(stage: Stage) -> None:
    listener = stage.worker.listen(credit=CREDIT_FOR_ALL, avoid_time_wait=True)
    held, peer = stage.pair(listener=listener)
    held.fill()
    held.close()
    stage.until_state(held, State.LINGERING)
    data, end = stage.read_to_end(peer)
    assert (len(data), end) == (held.out, 0)
    stage.until_state(held, State.CLOSED)


def test_with_keep_a_connection_that_was_closed_here_first_waits_as_tcp_wants_it(stage: Stage) -> None:
    held, peer = stage.pair()
    port = held.address[1]
    held.close()
    assert stage.read_to_end(peer) == (b"", 0)
    peer.close()
    stage.until_state(held, State.CLOSED)
    stage.until(lambda: in_time_wait(port), "TIME_WAIT")


def test_with_avoid_a_peer_that_goes_on_sending_is_still_cut_off_by_linger(stage: Stage) -> None:
    stage.patience(linger=0.05)
    listener = stage.worker.listen(credit=CREDIT_FOR_ALL, avoid_time_wait=True)
    held, peer = stage.pair(listener=listener)
    held.close()

    def talk() -> bool:
        try:
            peer.send(b"more")
        except OSError:
            return True
        return False

    stage.until(talk, "the reset")
    assert stage.state(held) is State.CLOSED
