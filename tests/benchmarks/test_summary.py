from __future__ import annotations

import dataclasses
from typing import Literal

import pytest

from benchmarks import tables
from benchmarks.cases import ALL
from benchmarks.model import Case, Contender, Measurement, Sample
from benchmarks.plots import bars
from benchmarks.runner import turns
from benchmarks.summary import Spread, summarize


def contender(name: str) -> Contender:
    return Contender(name, lambda _: Measurement(1.0), lambda: None)


def case(better: Literal["higher", "lower"] = "higher", aim: float = 2.0) -> Case:
    return Case("echo", "line echo", "lines/s", better, (contender("skypy"), contender("rival")), {"rival": aim})


def samples(skypy: list[float], rival: list[float]) -> list[Sample]:
    groups = {"skypy": skypy, "rival": rival}
    return [Sample(i, "echo", name, value, {}) for name, values in groups.items() for i, value in enumerate(values)]


def test_the_median_stands_for_the_rounds_and_the_spread_beside_it() -> None:
    skypy, _ = summarize(case(), samples([10, 30, 20], [1]))
    assert skypy.value == Spread(20, 10, 30)
    assert skypy.rounds == 3
    assert skypy.times_better is None


def test_the_ratio_is_taken_round_by_round() -> None:
    _, rival = summarize(case(), samples([10, 40], [10, 10]))
    assert rival.times_better == Spread(2.5, 1, 4)


def test_the_ratio_is_turned_round_where_less_is_better() -> None:
    _, rival = summarize(case("lower"), samples([10], [40]))
    assert rival.times_better == Spread(4, 4, 4)


def test_rounds_that_only_one_side_has_do_not_count() -> None:
    _, rival = summarize(case(), samples([10, 20, 30], [10]))
    assert rival.times_better == Spread(1, 1, 1)


@pytest.mark.parametrize(("ours", "met"), [(20, True), (19, False)])
def test_an_aim_is_met_or_missed(ours: float, met: bool) -> None:
    _, rival = summarize(case(aim=2), samples([ours], [10]))
    assert rival.aim_is_met is met


def test_a_rival_without_samples_has_no_row() -> None:
    assert [row.contender for row in summarize(case(), samples([1], []))] == ["skypy"]


def test_the_terminal_and_the_markdown_table_say_the_same() -> None:
    rows = summarize(case(), samples([30_000], [10_000]))
    for text in (tables.terminal(case(), rows), tables.markdown(case(), rows)):
        for part in (
            "line echo" if "###" not in text else "Line echo",
            "30,000",
            "10,000",
            "3.00 (3.00 .. 3.00)",
            "met",
        ):
            assert part in text


def test_a_plot_has_a_bar_for_each_contender_and_is_escaped() -> None:
    rows = summarize(case(), samples([4], [2]))
    picture = bars(Case("a<b", "x & y", "u", "higher", ()), rows)
    assert picture.count('class="subject"') == 1
    assert picture.count('class="rival"') == 1
    assert "a&lt;b" in picture
    assert "x &amp; y" in picture


def test_every_round_has_everybody_once_and_another_begins() -> None:
    plan = [(number, who.name) for number, _, who in turns([case()], 2)]
    assert plan == [(1, "skypy"), (1, "rival"), (2, "rival"), (2, "skypy")]


def test_a_case_that_does_not_vary_is_measured_in_the_first_rounds_only() -> None:
    steady = dataclasses.replace(case(), most_rounds=1)
    assert [number for number, _, _ in turns([steady], 3)] == [1, 1]


def test_cases_have_names_of_their_own_and_aims_at_rivals_that_take_part() -> None:
    assert len({case.name for case in ALL}) == len(ALL)
    for one in ALL:
        names = [contender.name for contender in one.contenders]
        assert names[0] == "skypy", one.name
        assert len(set(names)) == len(names), one.name
        assert set(one.aims) <= set(names), one.name
        assert one.guarded_by is None or one.guarded_by in names, one.name
