"""Build the C programs, run the servers, take turns.

A benchmark brings `Server`s and `Case`s. Each pair is measured once a round, so that whatever else the machine does
meets all servers alike, and servers are compared within a round only.
"""

import contextlib
import dataclasses
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

HOST = "127.0.0.1"
FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parent
BUILD = FOLDER / "build"
LOAD_GENERATOR = FOLDER / "load_generator.c"
START_SECONDS = 10.0
STOP_SECONDS = 10.0
POLL_SECONDS = 0.02
GENERATOR_SPARE_SECONDS = 20.0  # connecting, and waiting for the last lines
LOG_TAIL_BYTES = 4000


class BenchmarkError(Exception):
    """A measurement that failed: no figure can be given."""


class SetupError(Exception):
    """Something has to be installed or corrected before anything can be measured."""


@dataclasses.dataclass(frozen=True)
class Server:
    name: str
    command: Callable[[int], list[str]]  # port -> the command that serves it in the foreground


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    description: str
    arguments: tuple[str, ...]  # of the generator, between the port and the duration
    generator: Path = LOAD_GENERATOR


@dataclasses.dataclass(frozen=True)
class Timing:
    rounds: int
    seconds: float
    warmup_seconds: float


@dataclasses.dataclass(frozen=True)
class Sample:
    round: int
    case: str
    server: str
    result: dict[str, Any]  # what the generator printed

    @property
    def rate(self) -> float:
        return float(self.result["requests_per_second"])


def build(source: Path) -> Path:
    """Compile one C file unless its program is newer."""
    program = BUILD / source.stem
    if program.exists() and program.stat().st_mtime > source.stat().st_mtime:
        return program
    compiler = shutil.which("cc")
    if compiler is None:
        raise SetupError("the C compiler 'cc' was not found: install one (apt install gcc libc6-dev, dnf install gcc)")
    BUILD.mkdir(exist_ok=True)
    # Compiled beside and renamed: a benchmark that runs at the same time never starts half a program.
    unfinished = program.with_suffix(f".{os.getpid()}")
    run = subprocess.run([compiler, "-O2", "-o", unfinished, source], capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise SetupError(f"{compiler} could not compile {source}:\n{run.stderr.strip()}")
    unfinished.replace(program)
    return program


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        if probe.connect_ex((HOST, port)) != 0:
            return False
        # Where nobody listens, a socket can be given that very port as its own and connect to itself.
        return bool(probe.getsockname() != probe.getpeername())


def wait_until_ready(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not accepts(port):
        if process.poll() is not None:
            raise BenchmarkError(f"it ended with exit status {process.returncode} before it listened")
        if time.monotonic() > deadline:
            raise BenchmarkError(f"port {port} did not accept a connection within {START_SECONDS:.0f} s")
        time.sleep(POLL_SECONDS)


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        progress(f"process {process.pid} did not stop within {STOP_SECONDS:.0f} s and was killed\n")
    finally:  # also when a second Ctrl-C ends the wait
        process.kill()
        process.wait()


def tail(log: IO[bytes]) -> str:
    # Not seek and read: the server writes through the same file position.
    size = os.fstat(log.fileno()).st_size
    text = os.pread(log.fileno(), LOG_TAIL_BYTES, max(0, size - LOG_TAIL_BYTES)).decode(errors="replace").strip()
    return f"its output ends with:\n{text}" if text else "it printed nothing"


@contextlib.contextmanager
def running(server: Server, port: int) -> Iterator[None]:
    """Run a server while the block runs. What goes wrong in the block is told with the end of the server's output."""
    with tempfile.TemporaryFile() as log:
        # A process group of its own: Ctrl-C reaches this program only, which then ends its children one by one.
        process = subprocess.Popen(
            server.command(port), cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0
        )
        try:
            wait_until_ready(process, port)
            yield
            if process.poll() is not None:
                raise BenchmarkError(f"it ended with exit status {process.returncode} during the measurement")
        except BenchmarkError as error:
            raise BenchmarkError(f"{server.name}: {error}\n{tail(log)}") from None
        finally:
            stop(process)


def generate(case: Case, port: int, timing: Timing) -> dict[str, Any]:
    times = [str(timing.seconds), str(timing.warmup_seconds)]
    limit = timing.seconds + timing.warmup_seconds + GENERATOR_SPARE_SECONDS
    output, complaint, status = run_program(
        [str(build(case.generator)), HOST, str(port), *case.arguments, *times], limit
    )
    if status != 0:
        raise BenchmarkError(f"case {case.name} failed with exit status {status}\n{complaint.strip()}")
    result: dict[str, Any] = json.loads(output)
    if result["requests"] == 0:
        raise BenchmarkError(f"case {case.name}: nothing came back during the {timing.seconds:g} s that were measured")
    return result


def run_program(command: list[str], limit_seconds: float) -> tuple[str, str, int]:
    """Its output, its error output and its exit status. Unlike `subprocess.run` it leaves no zombie after Ctrl-C."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, process_group=0) as process:
        try:
            output, complaint = process.communicate(timeout=limit_seconds)
        except subprocess.TimeoutExpired:
            raise BenchmarkError(f"{Path(command[0]).name} was not over after {limit_seconds:.0f} s") from None
        finally:
            process.kill()
            process.wait()
    return output.decode(), complaint.decode(), process.returncode


def measure(server: Server, case: Case, timing: Timing) -> dict[str, Any]:
    """A fresh server for every measurement: none inherits the memory or the backlog of the one before."""
    port = free_port()
    with running(server, port):
        return generate(case, port, timing)


def run_rounds(servers: Sequence[Server], cases: Sequence[Case], timing: Timing) -> Iterator[Sample]:
    for case in cases:
        build(case.generator)  # before anything starts: a missing compiler shows at once
    total = timing.rounds * len(cases) * len(servers)
    count = 0
    for number in range(1, timing.rounds + 1):
        first = (number - 1) % len(servers)  # another one begins each round, so none always follows the same one
        for case in cases:
            for server in (*servers[first:], *servers[:first]):
                count += 1
                progress(f"[{count}/{total}] round {number}/{timing.rounds}, {case.name}, {server.name}: ")
                sample = Sample(number, case.name, server.name, measure(server, case, timing))
                progress(f"{sample.rate:,.0f}/s\n")
                yield sample


def progress(text: str) -> None:
    print(text, end="", file=sys.stderr, flush=True)
