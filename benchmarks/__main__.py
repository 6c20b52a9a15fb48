"""python -m benchmarks run|guard|install|list"""

from __future__ import annotations

import argparse
import dataclasses
import signal
import sys
from collections.abc import Sequence

from benchmarks import cases as all_cases
from benchmarks import guard, results_store, rivals, tables
from benchmarks.environment import environment
from benchmarks.model import Case, SetupError, Timing
from benchmarks.runner import Outcome, present, progress, run
from benchmarks.summary import summarize

EXIT_CODES = (
    "Exit codes: 0 done, 1 a measurement failed or a ratio fell, 2 bad usage or something is missing, 130 Ctrl-C."
)


@dataclasses.dataclass(frozen=True)
class Preset:
    rounds: int
    timing: Timing
    heavy: bool = False


PRESETS = {
    "quick": Preset(1, Timing(0.4, 0.15)),
    "standard": Preset(3, Timing(0.25, 0.1)),
    "all": Preset(5, Timing(1.0, 0.3), heavy=True),
}


def some_cases(text: str) -> list[Case]:
    by_name = {case.name: case for case in all_cases.ALL}
    for name in text.split(","):
        if name not in by_name:
            raise argparse.ArgumentTypeError(f"{name!r} is not one of {', '.join(by_name)}")
    return [by_name[name] for name in dict.fromkeys(text.split(","))]


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", epilog=EXIT_CODES)
    commands = parser.add_subparsers(dest="command", required=True)
    measuring = commands.add_parser("run", help="measure, print the table, write benchmarks/results")
    measuring.add_argument("--preset", choices=PRESETS, default="standard")
    measuring.add_argument("--cases", type=some_cases, help="names separated by commas; see list")
    measuring.add_argument("--contenders", help="only these, separated by commas")
    measuring.add_argument("--rounds", type=int)
    measuring.add_argument("--seconds", type=float, help="length of one measurement")
    measuring.add_argument("--no-save", action="store_true", help="leave benchmarks/results as it is")
    guarding = commands.add_parser("guard", help="fail when a committed ratio has fallen in 3 runs of 3")
    guarding.add_argument("--record", action="store_true", help="write the ratios measured now")
    installing = commands.add_parser("install", help="install the rivals into benchmarks/.venv")
    installing.add_argument("--heavy", action="store_true", help="also those that are large")
    commands.add_parser("list", help="name the cases and who takes part")
    return parser.parse_args(arguments)


def chosen(options: argparse.Namespace) -> list[Case]:
    quick = [case for case in all_cases.ALL if case.quick]
    presets = {"quick": quick, "standard": [case for case in all_cases.ALL if not case.long], "all": all_cases.ALL}
    selected: Sequence[Case] = options.cases or presets[options.preset]
    if options.contenders is None:
        return list(selected)
    names = [name.strip() for name in options.contenders.split(",")]
    return [
        dataclasses.replace(case, contenders=tuple(c for c in case.contenders if c.name in names)) for case in selected
    ]


def measure(options: argparse.Namespace) -> int:
    preset = PRESETS[options.preset]
    timing = Timing(options.seconds or preset.timing.seconds, preset.timing.warmup_seconds)
    about, outcome, selected = environment(), Outcome(), chosen(options)
    code = 0
    try:
        run(present(selected, outcome, preset.heavy), options.rounds or preset.rounds, timing, outcome)
    except KeyboardInterrupt:
        progress("interrupted\n")
        code = 130
    report(selected, outcome)
    if not options.no_save:
        results_store.save(selected, outcome, about, all_cases.ALL)
    return code or (1 if outcome.failed else 0)


def report(selected: Sequence[Case], outcome: Outcome) -> None:
    if not outcome.complete:
        print("\nINCOMPLETE: only cases that were measured before the end.")
    for case in selected:
        rows = summarize(case, outcome.samples)
        if rows:
            print("\n" + tables.terminal(case, rows), end="")
    print("\n" + tables.absent(outcome.missing), end="")
    for (case_name, contender), why in outcome.failed.items():
        print(f"{contender} failed in {case_name}: {why}")


def show_list() -> int:
    for case in all_cases.ALL:
        print(f"{case.name}: {case.title} ({case.unit})\n    {', '.join(c.name for c in case.contenders)}")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # like Ctrl-C, so that no server is left behind
    try:
        if options.command == "install":
            rivals.install(options.heavy)
            return 0
        if options.command == "guard":
            return guard.record(all_cases.ALL) if options.record else guard.check(all_cases.ALL)
        return show_list() if options.command == "list" else measure(options)
    except SetupError as error:
        progress(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
