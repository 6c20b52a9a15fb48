"""python -m benchmarks.spinning: what adaptive spinning costs, and what it brings, at several rates of requests.

The table has the processor time of a node with and without spinning, on the machine as it is and beside a busy loop for
each core. The two settings are measured in turns, each on a fresh node; the figures are medians.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from benchmarks.build import GENERATORS, LOAD, build
from benchmarks.cases.generator import SPARE_SECONDS, result
from benchmarks.model import BenchmarkError
from benchmarks.processes import HOST, cpu_seconds, free_port, run_program, running, wait_until_accepting
from benchmarks.runner import progress
from benchmarks.socket_servers import SLEEPING, skypy_command

CONNECTIONS = "50"
LINE_BYTES = "32"
RATES: tuple[int | None, ...] = (0, 100, 1_000, 10_000, None)
"""Requests a second, evenly spread over 50 connections; None: one outstanding on each, as fast as they are answered."""
SETTINGS: dict[str, Mapping[str, object]] = {"sleeping": SLEEPING, "spinning": {"node.spin": "auto"}}
PLACES = {"idle": 0, "beside busy loops": os.cpu_count() or 1}
"""The number of busy loops."""
SETTLE_SECONDS = 0.5


class Figures(NamedTuple):
    """A node under load: the processor time of all its processes, in cores, the lines a second, the median latency."""

    cores: float
    rate: float
    latency_microseconds: float


class Row(NamedTuple):
    """A line of the table: the same rate at the same place."""

    rate: int | None
    place: str


@contextlib.contextmanager
def busy_loops(count: int) -> Iterator[None]:
    """Keep cores busy while the block runs."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            process = subprocess.Popen([sys.executable, "-c", "while True: pass"], process_group=0)
            stack.callback(process.wait)
            stack.callback(process.kill)
        yield


def load(rate: int | None, port: int, seconds: float) -> dict[str, float]:
    """Put a load on the echo server for so many seconds, and return the result of its generator."""
    duration = str(seconds)
    if rate == 0:
        time.sleep(seconds)
        return {"requests_per_second": 0.0, "latency_p50_microseconds": 0.0}
    if rate is None:
        command = [str(build(LOAD / "line_echo.c")), HOST, str(port), CONNECTIONS, "1", LINE_BYTES, duration, "0"]
    else:
        program = str(build(GENERATORS / "paced_echo.c"))
        command = [program, HOST, str(port), CONNECTIONS, str(rate), LINE_BYTES, duration, "1"]
    return result(run_program(command, seconds + SPARE_SECONDS))


def measure(rate: int | None, setting: str, seconds: float) -> Figures:
    """Measure a fresh node at a rate. Raises BenchmarkError."""
    port = free_port()
    with running(skypy_command("echo", port, more=SETTINGS[setting])) as (process, _):
        wait_until_accepting(process, port)
        load(rate, port, SETTLE_SECONDS)
        before, began = cpu_seconds(process.pid), time.monotonic()
        printed = load(rate, port, seconds)
        used = (cpu_seconds(process.pid) - before) / (time.monotonic() - began)
        return Figures(used, printed["requests_per_second"], printed["latency_p50_microseconds"])


def rounds(count: int, seconds: float) -> Iterator[tuple[Row, dict[str, Figures]]]:
    """Yield the figures of both settings for each row and round."""
    for number in range(count):
        for place, loops in PLACES.items():
            for rate in RATES:
                settings = list(SETTINGS) if number % 2 == 0 else list(SETTINGS)[::-1]
                progress(f"round {number + 1}/{count}, {named(rate)} requests a second, {place}\n")
                with busy_loops(loops):
                    yield Row(rate, place), {name: measure(rate, name, seconds) for name in settings}


def named(rate: int | None) -> str:
    return "as many as possible" if rate is None else f"{rate:,}"


def cells(samples: list[dict[str, Figures]]) -> list[str]:
    """Return the cells of a row: processor time, median latency and rate, each without spinning and with it."""

    def median(setting: str, figure: int) -> float:
        return statistics.median(sample[setting][figure] for sample in samples)

    kinds = enumerate(("{:.1%}", "{:,.0f}", "{:,.0f} us"))
    return [" → ".join(form.format(median(setting, figure)) for setting in SETTINGS) for figure, form in kinds]


def table(samples: dict[Row, list[dict[str, Figures]]]) -> str:
    """Return the Markdown table."""
    lines = [
        "| requests a second | machine | processor time, of a core | answered a second | median latency |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for row in sorted(samples, key=lambda row: (list(PLACES).index(row.place), RATES.index(row.rate))):
        first = f"{named(row.rate)} | {row.place}"
        lines.append(f"| {first} | {' | '.join(cells(samples[row]))} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.spinning")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="length of one measurement")
    options = parser.parse_args()
    samples: dict[Row, list[dict[str, Figures]]] = defaultdict(list)
    try:
        for row, figures in rounds(options.rounds, options.seconds):
            samples[row].append(figures)
    except BenchmarkError as error:
        progress(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        progress("interrupted\n")
        return 130
    finally:
        if samples:
            print(f"Without spinning → with it. The load average was {os.getloadavg()[0]:.1f}.\n\n{table(samples)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
