from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.guard import fell, guarded, watch
from benchmarks.model import Case, Contender, Measurement


def test_a_ratio_falls_below_eight_tenths_of_the_committed_one() -> None:
    assert fell(0.79, 1.0)
    assert not fell(0.8, 1.0)
    assert fell(None, 1.0)


def runs(*results: Mapping[str, float]) -> tuple[list[list[str]], list[str]]:
    """Let the guard measure these results, and return the cases of each run and those that have fallen in the end."""
    asked: list[list[str]] = []

    def measure(names: Sequence[str]) -> Mapping[str, float]:
        asked.append(list(names))
        return results[len(asked) - 1]

    return asked, watch({"a": 1.0, "b": 2.0}, measure)


def test_one_good_run_of_three_clears_a_case() -> None:
    _, fallen = runs({"a": 0.1, "b": 2.0}, {"a": 0.1}, {"a": 0.9})
    assert fallen == []


def test_three_bad_runs_of_three_are_a_failure() -> None:
    _, fallen = runs({"a": 0.1, "b": 2.0}, {"a": 0.1}, {"a": 0.79})
    assert fallen == ["a"]


def test_only_suspects_are_measured_again() -> None:
    asked, _ = runs({"a": 1.0, "b": 0.1}, {"b": 2.0})
    assert asked == [["a", "b"], ["b"]]


def test_a_guarded_case_keeps_skypy_and_one_rival() -> None:
    everybody = tuple(Contender(name, lambda _: Measurement(1.0), lambda: None) for name in ("skypy", "x", "y"))
    cases = [
        Case("one", "", "", "higher", everybody, guarded_by="y"),
        Case("two", "", "", "higher", everybody),
    ]
    assert [[contender.name for contender in case.contenders] for case in guarded(cases)] == [["skypy", "y"]]
