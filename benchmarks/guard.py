"""`make bench-guard`: has skypy become slower beside a rival?

The ratio to one rival is committed for each guarded case. A case fails when its ratio falls below 0.8 of that in three
runs of three; one good run is enough, since disturbances of the machine only ever make a run worse.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence

from benchmarks.model import SUBJECT, Case, SetupError, Timing
from benchmarks.processes import FOLDER
from benchmarks.runner import Outcome, progress, run
from benchmarks.summary import advantage

COMMITTED = FOLDER / "guard.json"
TOLERATED = 0.8
RUNS = 3
ROUNDS = 3  # of each run: a single one tells little on a machine with other work
TIMING = Timing(0.6, 0.2)


def fell(ratio: float | None, committed: float) -> bool:
    """Return True if a ratio is too low; one that could not be measured is."""
    return ratio is None or ratio < TOLERATED * committed


def watch(committed: Mapping[str, float], measure: Callable[[Sequence[str]], Mapping[str, float | None]]) -> list[str]:
    """Return the cases that fell in every run. Later runs measure only those that have fallen so far."""
    suspects = list(committed)
    for _ in range(RUNS):
        if suspects:
            ratios = measure(suspects)
            suspects = [name for name in suspects if fell(ratios.get(name), committed[name])]
    return suspects


def guarded(cases: Sequence[Case]) -> list[Case]:
    """Return the cases with a guarding rival, reduced to skypy and that rival."""
    return [
        dataclasses.replace(case, contenders=tuple(c for c in case.contenders if c.name in (SUBJECT, case.guarded_by)))
        for case in cases
        if case.guarded_by is not None
    ]


def ratios(cases: Sequence[Case], rounds: int, timing: Timing) -> dict[str, float | None]:
    outcome = Outcome()
    run(cases, rounds, timing, outcome)
    found = {}
    for case in cases:
        of = {
            name: [s for s in outcome.samples if (s.case, s.contender) == (case.name, name)]
            for name in (SUBJECT, case.guarded_by or "")
        }
        spread = advantage(of[SUBJECT], of[case.guarded_by or ""], case.better)
        found[case.name] = spread.median if spread else None
    return found


def record(cases: Sequence[Case]) -> int:
    """Measure and write the ratios that are to be held."""
    found = {name: round(ratio, 3) for name, ratio in ratios(guarded(cases), ROUNDS, TIMING).items() if ratio}
    COMMITTED.write_text(json.dumps(found, indent=1) + "\n")
    progress(f"written: {COMMITTED.name}\n")
    return 0


def check(cases: Sequence[Case]) -> int:
    """Measure, and return the exit code: 0 if every ratio is held, 1 if one has fallen."""
    if not COMMITTED.exists():
        raise SetupError("no ratios are committed: python -m benchmarks guard --record")
    committed: dict[str, float] = json.loads(COMMITTED.read_text())
    by_name = {case.name: case for case in guarded(cases)}
    held = {name: ratio for name, ratio in committed.items() if name in by_name}

    def measure(names: Sequence[str]) -> Mapping[str, float | None]:
        found = ratios([by_name[name] for name in names], ROUNDS, TIMING)
        for name in names:
            ratio = found[name]
            told = "no figure" if ratio is None else f"{ratio:.2f}"
            progress(f"{name}: {told} beside {by_name[name].guarded_by}, committed {held[name]:.2f}\n")
        return found

    fallen = watch(held, measure)
    for name in fallen:
        print(f"{name}: below {TOLERATED} of the committed {held[name]:.2f} in {RUNS} runs of {RUNS}")
    print(f"{len(held) - len(fallen)} of {len(held)} ratios are held.")
    return 1 if fallen else 0
