"""The programs that run actors.

Each gets an activity, its width (how many at once) and its duration, and prints its result: a line with RESULT and a
JSON object in it, after which it is ended.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import time
from collections.abc import Callable
from functools import partial
from typing import IO

from benchmarks import rivals
from benchmarks.build import build_erlang
from benchmarks.model import BenchmarkError, Contender, Measurement, Timing
from benchmarks.processes import Command, check_alive, pss_bytes, running
from benchmarks.socket_servers import ACTORS, SLEEPING, compiled, skynet_command, skypy_command

MARK = "RESULT "
SPARE_SECONDS = 60.0
FEW_ACTORS = 10


@dataclasses.dataclass(frozen=True)
class Program:
    name: str
    command: Callable[[str, int, float], Command]  # activity, width, seconds
    missing: Callable[[], str | None] = rivals.nothing_missing
    heavy: bool = False


def python_program(module: str, *options: str) -> Callable[[str, int, float], Command]:
    def command(activity: str, width: int, seconds: float) -> Command:
        return Command(
            [rivals.python(), "-m", f"benchmarks.actors.{module}", activity, str(width), str(seconds), *options]
        )

    return command


def skypy_program(activity: str, width: int, seconds: float) -> Command:
    return skypy_command(f"driver {activity} {width} {seconds}")


def sleeping_program(activity: str, width: int, seconds: float) -> Command:
    return skypy_command(f"driver {activity} {width} {seconds}", more=SLEEPING)


def skynet_program(activity: str, width: int, seconds: float) -> Command:
    threads = 1 if activity in ("call-plain", "call-coroutine", "call-in-turn", "send") else 2  # its best in both
    return skynet_command("driver", f"{activity} {width} {seconds}", threads)


def erlang_program(activity: str, width: int, seconds: float) -> Command:
    schedulers = "2:2" if activity == "call-across" else "1:1"
    program = build_erlang(ACTORS / "erlang" / "driver.erl")
    options = ["-noshell", "+S", schedulers, "-pa", str(program.parent)]
    return Command(["erl", *options, "-run", "driver", "main", activity, str(width), str(seconds)])


ALL = {
    program.name: program
    for program in (
        Program("skypy", skypy_program),
        Program("skypy sleeping", sleeping_program),
        Program("skypy compiled", lambda *activity: compiled(skypy_program(*activity)), rivals.not_compiled),
        Program("skynet", skynet_program, rivals.no_skynet),
        Program("asyncio Queue", python_program("asyncio_queue")),
        Program("uvloop Queue", python_program("asyncio_queue", "uvloop"), partial(rivals.no_package, "uvloop")),
        Program("Erlang", erlang_program, rivals.no_erlang),
        Program("bare processes", python_program("bare_processes")),
        Program("Pykka", python_program("pykka_actors"), partial(rivals.no_package, "pykka")),
        Program("xoscar", python_program("xoscar_actors"), partial(rivals.no_package, "xoscar")),
        Program("Thespian", python_program("thespian_actors"), partial(rivals.no_package, "thespian"), heavy=True),
        Program("Ray", python_program("ray_actors"), partial(rivals.no_package, "ray"), heavy=True),
    )
}


def result(process: subprocess.Popen[bytes], log: IO[bytes], limit_seconds: float) -> dict[str, float]:
    """Wait for the line with the result, and return the object in it."""
    deadline = time.monotonic() + limit_seconds
    while time.monotonic() < deadline:
        ended = process.poll() is not None
        text = os.pread(log.fileno(), os.fstat(log.fileno()).st_size, 0).decode(errors="replace")
        for line in text.splitlines(keepends=True):
            if MARK in line and line.endswith("\n"):
                found: dict[str, float] = json.loads(line.partition(MARK)[2])
                return found
        if ended:
            check_alive(process)
        time.sleep(0.01)
    raise BenchmarkError(f"it had no result after {limit_seconds:.0f} s")


def measure(program: Program, activity: str, width: int, timing: Timing) -> Measurement:
    with running(program.command(activity, width, timing.seconds)) as (process, log):
        details = result(process, log, timing.seconds + SPARE_SECONDS)
        return Measurement(details.pop("value"), details)


def memory(program: Program, activity: str, width: int, timing: Timing) -> Measurement:
    """Return the bytes for each of `width` actors: a program that has made them less one that has made a single one."""
    sizes = []
    for count in (1, width):
        with running(program.command(activity, count, timing.seconds)) as (process, log):
            result(process, log, SPARE_SECONDS)
            sizes.append(pss_bytes(process.pid))
    return Measurement((sizes[1] - sizes[0]) / (width - 1))


def growth(program: Program, activity: str, width: int, timing: Timing) -> Measurement:
    """Return the ratio of costs of one of `rate`: with `width` actors to FEW_ACTORS."""
    few, many = (1e6 / measure(program, activity, count, timing).value for count in (FEW_ACTORS, width))
    return Measurement(many / few, {"few_microseconds": few, "many_microseconds": many})


Measure = Callable[[Program, str, int, Timing], Measurement]


def contenders(activity: str, width: int, names: str, how: Measure = measure) -> tuple[Contender, ...]:
    """Return the named programs (separated by commas), each at the activity."""
    chosen = [ALL[name.strip()] for name in names.split(",")]
    return tuple(
        Contender(program.name, partial(how, program, activity, width), program.missing, program.heavy)
        for program in chosen
    )
