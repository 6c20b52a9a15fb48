"""The words of the benchmarks: a case is measured for contenders; each measurement is one number and its details."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Literal

SUBJECT = "skypy"


class BenchmarkError(Exception):
    """A measurement that failed: no figure can be given."""


class SetupError(Exception):
    """A measurement for which something has to be installed or corrected first."""


@dataclasses.dataclass(frozen=True)
class Timing:
    seconds: float
    warmup_seconds: float


@dataclasses.dataclass(frozen=True)
class Measurement:
    value: float
    details: Mapping[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Contender:
    """A program that takes part in a case."""

    name: str
    measure: Callable[[Timing], Measurement]
    missing: Callable[[], str | None]  # why it cannot take part on this machine
    heavy: bool = False  # only in the longest run


@dataclasses.dataclass(frozen=True)
class Case:
    """A subject of measurement. `aims` maps rivals to how many times better than them skypy is meant to be."""

    name: str
    title: str
    unit: str
    better: Literal["higher", "lower"]
    contenders: tuple[Contender, ...]
    aims: Mapping[str, float] = dataclasses.field(default_factory=dict)
    quick: bool = False
    long: bool = False  # only in the longest run
    most_rounds: int | None = None  # for figures that hardly vary from round to round
    guarded_by: str | None = None  # the rival whose ratio `make bench-guard` watches


@dataclasses.dataclass(frozen=True)
class Sample:
    round: int
    case: str
    contender: str
    value: float
    details: Mapping[str, float]
