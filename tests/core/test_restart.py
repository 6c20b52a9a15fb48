"""When a process that keeps dying is not replaced any more; the clock is the test's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skypy.core.timing.restart import RestartIntensity


def test_one_restart_too_many_within_the_period_is_not_allowed() -> None:
    intensity = RestartIntensity(3, 10.0)
    assert [intensity.allows(now) for now in (0.0, 4.0, 8.0, 9.0)] == [True, True, True, False]


@pytest.mark.parametrize(("now", "allowed"), [(10.0, False), (10.1, True)])
def test_a_restart_counts_until_the_period_has_passed(now: float, allowed: bool) -> None:
    intensity = RestartIntensity(3, 10.0)
    for earlier in (0.0, 4.0, 8.0):
        intensity.allows(earlier)
    assert intensity.allows(now) is allowed


def test_a_steady_pace_within_the_limit_goes_on_for_ever() -> None:
    intensity = RestartIntensity(2, 10.0)
    assert all(intensity.allows(now * 6.0) for now in range(1000))


def test_no_restart_at_all_may_be_allowed() -> None:
    assert not RestartIntensity(0, 10.0).allows(0.0)


@given(st.integers(0, 4), st.lists(st.integers(0, 8), max_size=30))
def test_it_allows_what_has_not_more_than_the_count_within_the_period(count: int, pauses: list[int]) -> None:
    intensity = RestartIntensity(count, 10.0)
    now = 0
    deaths: list[int] = []
    for pause in pauses:
        now += pause
        deaths.append(now)
        assert intensity.allows(now) == (sum(now - death <= 10 for death in deaths) <= count)
