"""The time that a closed connection may still take; the clock is the test's."""

from __future__ import annotations

import pytest

from skypy.core.timing.patience import Patience

FLUSH_TIMEOUT = 30.0
LINGER = 5.0


def patience(undelivered: int, *, now: float = 100.0, linger: float = LINGER) -> Patience:
    return Patience(now, undelivered, flush_timeout=FLUSH_TIMEOUT, linger=linger)


def test_it_ends_when_nothing_was_acknowledged_for_the_flush_timeout() -> None:
    waiting = patience(1000)
    assert waiting.look(129.9, 1000) is not None
    assert waiting.look(130.0, 1000) is None


def test_every_acknowledgement_starts_the_flush_timeout_again() -> None:
    waiting = patience(1000)
    assert waiting.look(129.0, 999) is not None
    assert waiting.look(158.9, 999) is not None
    assert waiting.look(159.0, 999) is None


def test_bytes_that_are_added_are_no_progress() -> None:
    waiting = patience(1000)
    assert waiting.look(110.0, 2000) is not None
    assert waiting.look(130.0, 2000) is None


def test_once_everything_is_acknowledged_the_linger_time_counts() -> None:
    waiting = patience(1000)
    assert waiting.look(120.0, 0) is not None
    assert waiting.look(124.9, 0) is not None
    assert waiting.look(125.0, 0) is None


def test_with_nothing_undelivered_only_the_linger_time_is_left() -> None:
    waiting = patience(0)
    assert waiting.look(104.9, 0) is not None
    assert waiting.look(105.0, 0) is None


def test_without_a_linger_time_the_peers_end_is_not_waited_for() -> None:
    assert patience(0, linger=0.0).look(100.0, 0) is None
    assert patience(1, linger=0.0).look(100.0, 1) is not None


def test_the_linger_time_can_be_shortened_while_it_runs() -> None:
    waiting = patience(0)
    assert waiting.look(101.0, 0) is not None
    waiting.linger = 0.5
    assert waiting.look(101.0, 0) is None


@pytest.mark.parametrize(
    ("now", "again"),
    [(100.0, 101.0), (103.5, 104.5), (104.5, 105.0)],
)
def test_it_wants_to_look_every_second_and_exactly_at_the_end(now: float, again: float) -> None:
    assert patience(0).look(now, 0) == again
