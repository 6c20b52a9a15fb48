"""What the samples say: medians, spreads, ratios, the table, and the machine they were taken on."""

import contextlib
import dataclasses
import datetime as dt
import importlib.metadata
import os
import platform
import shlex
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import ROOT, Case, Sample

PACKAGES = ("skypy", "msgpack", "pyzmq", "uvloop")


@dataclasses.dataclass(frozen=True)
class Spread:
    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(statistics.median(values), min(values), max(values))


@dataclasses.dataclass(frozen=True)
class Row:
    case: str
    server: str
    rounds: int
    requests_per_second: Spread
    latency_p50_microseconds: float  # medians over the rounds
    latency_p99_microseconds: float
    generator_cpu_fraction: float
    subject_ratio: Spread | None  # the subject's rate / this server's, taken round by round


def median(key: str, samples: Sequence[Sample]) -> float:
    return statistics.median([float(sample.result[key]) for sample in samples])


def ratio(subject: Sequence[Sample], rival: Sequence[Sample]) -> Spread | None:
    rival_rates = {sample.round: sample.rate for sample in rival}
    pairs = [(sample.rate, rival_rates[sample.round]) for sample in subject if sample.round in rival_rates]
    return Spread.of([ours / theirs for ours, theirs in pairs]) if pairs else None


def summarize(samples: Sequence[Sample], subject: str) -> list[Row]:
    groups: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        groups.setdefault((sample.case, sample.server), []).append(sample)
    return [
        Row(
            case=case,
            server=server,
            rounds=len(group),
            requests_per_second=Spread.of([sample.rate for sample in group]),
            latency_p50_microseconds=median("latency_p50_microseconds", group),
            latency_p99_microseconds=median("latency_p99_microseconds", group),
            generator_cpu_fraction=median("generator_cpu_fraction", group),
            subject_ratio=None if server == subject else ratio(groups.get((case, subject), []), group),
        )
        for (case, server), group in groups.items()
    ]


def table(rows: Sequence[Row], cases: Sequence[Case], subject: str) -> str:
    heading = (
        f"{'server':<10}{'requests/s':>12}{'min .. max':>24}{'p50 us':>9}{'p99 us':>9}"
        f"{'generator':>11}{'rounds':>8}  {subject} / server"
    )
    lines = []
    for case in cases:
        told = [table_line(row) for row in rows if row.case == case.name]
        if told:
            lines += [f"{case.name}: {case.description}", heading, *told, ""]
    return "\n".join(lines)


def table_line(row: Row) -> str:
    rate = row.requests_per_second
    spread = f"{rate.least:,.0f} .. {rate.most:,.0f}"
    compared = row.subject_ratio
    told = f"{compared.median:.2f} ({compared.least:.2f} .. {compared.most:.2f})" if compared else "-"
    return (
        f"{row.server:<10}{rate.median:>12,.0f}{spread:>24}{row.latency_p50_microseconds:>9,.0f}"
        f"{row.latency_p99_microseconds:>9,.0f}{row.generator_cpu_fraction:>11.0%}{row.rounds:>8}  {told}"
    )


def first_line(*command: str) -> str | None:
    try:
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return run.stdout.partition("\n")[0].strip()


def cpu_model() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def package_version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def environment() -> dict[str, Any]:
    """Where and with what: figures mean nothing without it."""
    changes = first_line("git", "--no-optional-locks", "status", "--porcelain")
    return {
        "started": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "command": shlex.join(sys.orig_argv),
        "machine": {
            "cpu": cpu_model(),
            "cores": os.cpu_count(),
            "usable_cores": len(os.sched_getaffinity(0)),
            "kernel": platform.release(),
            "load_average_before": os.getloadavg()[0],
        },
        "versions": {
            "python": f"{platform.python_implementation()} {platform.python_version()}",
            "compiler": first_line("cc", "--version"),
            **{name: package_version(name) for name in PACKAGES},
        },
        "git": {
            "commit": first_line("git", "rev-parse", "--verify", "HEAD"),
            "modified": None if changes is None else changes != "",
        },
    }
