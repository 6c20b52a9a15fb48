"""Turns of measurement: in each round every contender of every case is measured once, and another one begins."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Iterator, Sequence

from benchmarks.model import BenchmarkError, Case, Contender, Sample, Timing


@dataclasses.dataclass
class Outcome:
    """The results of a run so far."""

    samples: list[Sample] = dataclasses.field(default_factory=list)
    missing: dict[str, str] = dataclasses.field(default_factory=dict)  # contender: why
    failed: dict[tuple[str, str], str] = dataclasses.field(default_factory=dict)  # case, contender: why
    complete: bool = False


def progress(text: str) -> None:
    print(text, end="", file=sys.stderr, flush=True)


def present(cases: Sequence[Case], outcome: Outcome, heavy: bool) -> list[Case]:
    """Return the cases with the contenders that can take part, and name the others in the outcome."""
    chosen = []
    for case in cases:
        able = []
        for contender in case.contenders:
            why = contender.missing()
            if why is None and contender.heavy and not heavy:
                why = "takes long: only in the run with heavy rivals"
            if why is None:
                able.append(contender)
            else:
                outcome.missing[contender.name] = why
        chosen.append(dataclasses.replace(case, contenders=tuple(able)))
    return chosen


def turns(cases: Sequence[Case], rounds: int) -> Iterator[tuple[int, Case, Contender]]:
    """Yield round number, case and contender of each measurement, in their order.

    Rivals run side by side, so that they meet equal disturbances, and none always runs after the same other.
    """
    for number in range(1, rounds + 1):
        for case in cases:
            if case.most_rounds is not None and number > case.most_rounds:
                continue
            first = (number - 1) % max(1, len(case.contenders))
            for contender in (*case.contenders[first:], *case.contenders[:first]):
                yield number, case, contender


def run(cases: Sequence[Case], rounds: int, timing: Timing, outcome: Outcome) -> None:
    """Measure, and fill the outcome one by one, so that it can be reported however the run ends."""
    plan = list(turns(cases, rounds))
    started = time.monotonic()
    for index, (number, case, contender) in enumerate(plan):
        left = (time.monotonic() - started) / index * (len(plan) - index) if index else 0
        progress(
            f"[{index + 1}/{len(plan)}, {left:.0f} s left] round {number}/{rounds} {case.name}, {contender.name}: "
        )
        try:
            measured = contender.measure(timing)
        except BenchmarkError as error:
            outcome.failed[case.name, contender.name] = str(error)
            progress(f"FAILED: {str(error).splitlines()[0]}\n")
            continue
        outcome.samples.append(Sample(number, case.name, contender.name, measured.value, measured.details))
        progress(f"{measured.value:,.0f} {case.unit}\n")
    outcome.complete = True
