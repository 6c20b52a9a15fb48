"""The words of the benchmarks: a case is measured for contenders; each measurement is one number and its details."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Literal

SUBJECT = "skypy"


class BenchmarkError(Exception):
    """A measurement that failed: no figure can be given."""


class SetupError(Exception):
    """Something has to be installed or corrected before this can be measured."""


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
    """Somebody who takes part in a case."""

    name: str
    measure: Callable[[Timing], Measurement]
    missing: Callable[[], str | None]  # why it cannot take part on this machine
    heavy: bool = False  # only in the longest run


@dataclasses.dataclass(frozen=True)
class Case:
    """What is measured. `aims` says how many times better than whom skypy is meant to be."""

    name: str
    title: str
    unit: str
    better: Literal["higher", "lower"]
    contenders: tuple[Contender, ...]
    aims: Mapping[str, float] = dataclasses.field(default_factory=dict)
    quick: bool = False
    long: bool = False  # only in the longest run
    most_rounds: int | None = None  # what does not vary from round to round need not be measured in each
    guarded_by: str | None = None  # the rival whose ratio `make bench-guard` watches


@dataclasses.dataclass(frozen=True)
class Sample:
    round: int
    case: str
    contender: str
    value: float
    details: Mapping[str, float]
