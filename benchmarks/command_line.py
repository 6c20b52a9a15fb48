"""The command line of every benchmark: choose, measure, report."""

import argparse
import dataclasses
import json
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from benchmarks import harness
from benchmarks.harness import BenchmarkError, Case, Sample, Server, SetupError, Timing, progress
from benchmarks.report import environment, summarize, table

EXIT_CODES = "Exit codes: 0 done, 1 a measurement failed, 2 bad usage or something is missing, 130 interrupted."

Named = TypeVar("Named", Server, Case)
Number = TypeVar("Number", int, float)


def names(items: Sequence[Server] | Sequence[Case]) -> list[str]:
    return [item.name for item in items]


def some_of(available: Sequence[Named]) -> Callable[[str], list[Named]]:
    def parse(text: str) -> list[Named]:
        by_name = {item.name: item for item in available}
        wanted = dict.fromkeys(text.split(","))
        for name in wanted:
            if name not in by_name:
                raise argparse.ArgumentTypeError(f"{name!r} is not one of {', '.join(by_name)}")
        return [by_name[name] for name in wanted]

    return parse


def at_least(least: Number, kind: Callable[[str], Number]) -> Callable[[str], Number]:
    def parse(text: str) -> Number:
        try:
            value = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number of the right kind") from None
        if not least <= value <= 3600:
            raise argparse.ArgumentTypeError(f"{text} is not within {least} .. 3600")
        return value

    return parse


def writable_file(text: str) -> Path:
    path = Path(text)
    if not os.access(path if path.exists() else path.parent, os.W_OK) or path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} cannot be written")  # said now, not after the last round
    return path


def parse_arguments(name: str, servers: Sequence[Server], cases: Sequence[Case]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        epilog=EXIT_CODES,
    )
    add = parser.add_argument
    add("--servers", type=some_of(servers), default=",".join(names(servers)), help="which, in this order")
    add("--cases", type=some_of(cases), default=",".join(names(cases)), help="which, in this order")
    add("--rounds", type=at_least(1, int), default=5, help="measurements of each server in each case")
    add("--seconds", type=at_least(0.1, float), default=2.0, help="length of one measurement")
    add("--warmup", type=at_least(0.0, float), default=0.5, help="seconds of load before it")
    add("--compare", choices=names(servers), default=servers[0].name, help="whose rate is divided by the others'")
    add("--json", type=writable_file, metavar="FILE", help="also write everything to FILE")
    return parser.parse_args()


def report(options: argparse.Namespace, about: dict[str, Any], samples: list[Sample], complete: bool) -> None:
    rows = summarize(samples, options.compare)
    print("" if complete else "\nINCOMPLETE: only what was measured before the end.")
    print(table(rows, options.cases, options.compare), end="")
    if options.json is None:
        return
    result = about | {
        "complete": complete,
        "compared": options.compare,
        "summary": [dataclasses.asdict(row) for row in rows],
        "samples": [dataclasses.asdict(sample) for sample in samples],
    }
    options.json.write_text(json.dumps(result, indent=2) + "\n")


def measure(options: argparse.Namespace, samples: list[Sample]) -> int:
    """Fill `samples` one by one, so that they can be reported however it ends; the exit code."""
    timing = Timing(options.rounds, options.seconds, options.warmup)
    try:
        samples.extend(harness.run_rounds(options.servers, options.cases, timing))
    except KeyboardInterrupt:
        progress("interrupted\n")
        return 130
    except SetupError as error:
        progress(f"{error}\n")
        return 2
    except BenchmarkError as error:
        progress(f"failed\n{error}\n")
        return 1
    return 0


def main(name: str, servers: Sequence[Server], cases: Sequence[Case]) -> int:
    options = parse_arguments(name, servers, cases)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: no server is left behind
    about = {"benchmark": name, **environment()}
    samples: list[Sample] = []
    code = measure(options, samples)
    if samples:
        report(options, about, samples, complete=code == 0)
    return code
