"""`skypy bench`: the lines that an echo server returns in a second, and their latency.

The load comes from a small C program, which is compiled when the command runs; without a compiler it comes from Python,
which is slower than many servers. The report names the generator, and warns if the generator itself was the limit.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import click

from skypy.cli import python_load
from skypy.cli.client import parse_address
from skypy.cli.failure import BadInput, Failure

SOURCES = Path(__file__).parent / "load"
COMPILERS = ("cc", "gcc", "clang")
BUSY_SHARE = 0.85
"""The share of one core from which on the generator itself may have been the limit."""

Generator = Literal["auto", "c", "python"]


@dataclass(frozen=True, slots=True)
class Load:
    """The load for the server."""

    connections: int
    in_flight: int
    line_bytes: int
    seconds: float
    warmup_seconds: float


def bench(address: str, load: Load, generator: Generator, as_json: bool) -> None:
    """Measure the echo server at HOST:PORT and print the result. Raises BadInput, Failure."""
    host, port = parse_address(address)
    compiler = None if generator == "python" else find_compiler()
    if generator == "c" and compiler is None:
        raise BadInput(f"no C compiler was found ({', '.join(COMPILERS)}): install one, or leave out --generator c")
    if not as_json:
        lines = "1 line" if load.in_flight == 1 else f"{load.in_flight} lines"
        click.echo(
            f"{load.connections} connections, {lines} of {load.line_bytes} bytes in flight on each, "
            f"{load.warmup_seconds + load.seconds:g} s against {address} ...",
            err=True,
        )
    result = c_result(compiler, host, port, load) if compiler else python_result(host, port, load)
    named = result | {"generator": "c" if compiler else "python"}
    click.echo(json.dumps(named) if as_json else report(named))


def find_compiler() -> str | None:
    """Return the first C compiler on the path."""
    return next((found for name in COMPILERS if (found := shutil.which(name))), None)


def c_result(compiler: str, host: str, port: int, load: Load) -> dict[str, float]:
    """Return the measurements of the C generator. Raises Failure."""
    with tempfile.TemporaryDirectory(prefix="skypy-bench-") as folder:
        program = f"{folder}/line_echo"
        command = [compiler, "-O2", "-o", program, str(SOURCES / "line_echo.c")]
        compiled = subprocess.run(command, capture_output=True, text=True, check=False)
        if compiled.returncode != 0:
            raise Failure(f"{compiler} could not compile the load generator; try --generator python\n{compiled.stderr}")
        arguments = [host, port, load.connections, load.in_flight, load.line_bytes, load.seconds, load.warmup_seconds]
        run = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise Failure(run.stderr.strip() or f"the load generator ended with exit status {run.returncode}")
    result: dict[str, float] = json.loads(run.stdout.splitlines()[-1])
    return result


def python_result(host: str, port: int, load: Load) -> dict[str, float]:
    """Return the measurements of the Python generator. Raises Failure."""
    try:
        return python_load.run(
            host, port, load.connections, load.in_flight, load.line_bytes, load.seconds, load.warmup_seconds
        )
    except (OSError, python_load.WrongEchoError) as error:
        raise Failure(f"{host}:{port}: {getattr(error, 'strerror', None) or error}") from None


def report(result: dict[str, float | str]) -> str:
    """Return the result as readable text."""
    name = "C" if result["generator"] == "c" else "Python (no C compiler was used)"
    share = float(result["generator_cpu_fraction"])
    median, p99, largest = (float(result[f"latency_{key}_microseconds"]) for key in ("p50", "p99", "max"))
    lines = [
        f"{float(result['requests_per_second']):,.0f} lines/s",
        f"latency: median {median:,.0f} us, 99 % {p99:,.0f} us, largest {largest:,.0f} us",
        f"load generator: {name}, {share * 100:.0f} % of one core",
    ]
    if share >= BUSY_SHARE:
        lines.append("The load generator was busy nearly all the time: the server may be faster than this.")
    return "\n".join(lines)
