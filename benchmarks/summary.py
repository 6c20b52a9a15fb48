"""The statistics of samples: medians, spreads and ratios. Pure."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence

from benchmarks.model import SUBJECT, Case, Sample


@dataclasses.dataclass(frozen=True)
class Spread:
    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))


@dataclasses.dataclass(frozen=True)
class Row:
    """One contender in one case. `times_better` is skypy's advantage over it: above 1 skypy is the better one."""

    case: str
    contender: str
    rounds: int
    value: Spread
    times_better: Spread | None
    aim: float | None

    @property
    def aim_is_met(self) -> bool | None:
        if self.aim is None or self.times_better is None:
            return None
        return self.times_better.median >= self.aim


def advantage(subject: Sequence[Sample], rival: Sequence[Sample], better: str) -> Spread | None:
    """Return how many times better the subject was, round by round: both sides of a round met the same disturbance."""
    values = {sample.round: sample.value for sample in rival}
    pairs = [(sample.value, values[sample.round]) for sample in subject if sample.round in values]
    ratios = [ours / theirs if better == "higher" else theirs / ours for ours, theirs in pairs if ours > 0 < theirs]
    return Spread.of(ratios) if ratios else None


def summarize(case: Case, samples: Sequence[Sample]) -> list[Row]:
    """Return the rows of a case in the order of its contenders; one without a sample has no row."""
    groups = {
        contender.name: [sample for sample in samples if (sample.case, sample.contender) == (case.name, contender.name)]
        for contender in case.contenders
    }
    subject = groups.get(SUBJECT, [])
    return [
        Row(
            case.name,
            name,
            len(group),
            Spread.of([sample.value for sample in group]),
            None if name == SUBJECT else advantage(subject, group, case.better),
            case.aims.get(name),
        )
        for name, group in groups.items()
        if group
    ]
