"""Loads on a server by the C programs."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from benchmarks.build import build
from benchmarks.model import BenchmarkError, Measurement, Timing
from benchmarks.processes import cpu_seconds, run_program
from benchmarks.socket_servers import Load

SPARE_SECONDS = 30.0  # connecting, and waiting for the last answers
Arguments = Callable[[int, Timing], list[str]]
"""A function that returns the command line of a generator for the server's port."""


def result(output: str) -> dict[str, float]:
    """Return the object in the last line of a generator's output."""
    printed: dict[str, float] = json.loads(output.splitlines()[-1])
    return printed


def generated(source: Path, arguments: Arguments, value: str) -> Load:
    """Return a load with `value` of the generator's result as its figure."""

    def load(port: int, _: int, timing: Timing) -> Measurement:
        limit = timing.seconds + timing.warmup_seconds + SPARE_SECONDS
        printed = result(run_program([str(build(source)), *arguments(port, timing)], limit))
        if printed[value] <= 0:
            raise BenchmarkError(f"nothing came back during the {timing.seconds:g} s that were measured")
        return Measurement(printed[value], printed)

    return load


def server_cost(source: Path, arguments: Arguments, count: str) -> Load:
    """Return a load with the server's processor time for each of `count`, in microseconds, as its figure."""

    def load(port: int, pid: int, timing: Timing) -> Measurement:
        command = [str(build(source)), *arguments(port, timing)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, process_group=0) as process:
            try:
                assert process.stdout is not None
                process.stdout.readline()  # "measuring"
                before = cpu_seconds(pid)
                output, _ = process.communicate(timeout=timing.seconds + SPARE_SECONDS)
                used = cpu_seconds(pid) - before
            except subprocess.TimeoutExpired:
                raise BenchmarkError("the load generator was not over in time") from None
            finally:
                process.kill()
        if process.returncode != 0:
            raise BenchmarkError(f"the load generator failed with exit status {process.returncode}")
        printed = result(output)
        if printed[count] == 0:
            raise BenchmarkError(f"nothing came back during the {timing.seconds:g} s that were measured")
        return Measurement(used / printed[count] * 1e6, printed)

    return load
