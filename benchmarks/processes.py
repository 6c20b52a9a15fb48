"""Servers and programs: run, stopped, and measured by what the kernel tells of them."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from benchmarks.model import BenchmarkError

HOST = "127.0.0.1"
FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parent
STOP_SECONDS = 10.0
POLL_SECONDS = 0.002
LOG_TAIL_BYTES = 4000
CPUCLOCK_SCHED = 2  # of the kernel's clock ids, which clock_getcpuclockid(3) makes in this way: counts nanoseconds


@dataclasses.dataclass(frozen=True)
class Command:
    arguments: Sequence[str]
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        if probe.connect_ex((HOST, port)) != 0:
            return False
        # If no process listens, a socket can be given that very port as its own and connect to itself.
        return bool(probe.getsockname() != probe.getpeername())


@contextlib.contextmanager
def running(command: Command) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """Run a command while the block runs, and yield its process and output.

    A failure in the block is told with the end of the output.
    """
    with tempfile.TemporaryFile() as log:
        # A process group of its own: Ctrl-C reaches this program only, which then ends its children one by one.
        process = subprocess.Popen(
            command.arguments,
            cwd=ROOT,
            env=os.environ | command.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            process_group=0,
        )
        try:
            yield process, log
        except BenchmarkError as error:
            raise BenchmarkError(f"{error}\n{tail(log)}") from None
        finally:
            stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        print(f"process {process.pid} did not stop within {STOP_SECONDS:.0f} s and was killed", file=sys.stderr)
    finally:  # even if a second Ctrl-C ends the wait
        process.kill()
        process.wait()


def check_alive(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        raise BenchmarkError(f"it ended with exit status {process.returncode}")


def wait_until_accepting(process: subprocess.Popen[bytes], port: int, limit_seconds: float = 15.0) -> None:
    deadline = time.monotonic() + limit_seconds
    while not accepts(port):
        check_alive(process)
        if time.monotonic() > deadline:
            raise BenchmarkError(f"port {port} did not accept a connection within {limit_seconds:.0f} s")
        time.sleep(POLL_SECONDS)


def tail(log: IO[bytes]) -> str:
    # Not seek and read: the process writes through the same file position.
    size = os.fstat(log.fileno()).st_size
    text = os.pread(log.fileno(), LOG_TAIL_BYTES, max(0, size - LOG_TAIL_BYTES)).decode(errors="replace").strip()
    return f"its output ends with:\n{text}" if text else "it printed nothing"


def run_program(arguments: Sequence[str], limit_seconds: float) -> str:
    """Run a command to its end, and return its output; unlike `subprocess.run`, leave no zombie.

    Raises BenchmarkError if it fails or takes too long.
    """
    pipe = subprocess.PIPE
    name = Path(arguments[0]).name
    with subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, process_group=0) as process:
        try:
            output, complaint = process.communicate(timeout=limit_seconds)
        except subprocess.TimeoutExpired:
            raise BenchmarkError(f"{name} was not over after {limit_seconds:.0f} s") from None
        finally:
            process.kill()
            process.wait()
    if process.returncode != 0:
        raise BenchmarkError(f"{name} failed with exit status {process.returncode}\n{complaint.decode().strip()}")
    return output.decode()


def family(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    found = [pid]
    for parent in found:
        with contextlib.suppress(OSError):
            for children in Path(f"/proc/{parent}/task").glob("*/children"):
                found += map(int, children.read_text().split())
    return found


def pss_bytes(pid: int) -> int:
    """Return the memory of a process and its descendants; a page that is shared counts once in all."""
    total = 0
    for member in family(pid):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{member}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process and its living descendants have used, all their threads included."""
    seconds = 0.0
    for member in family(pid):
        with contextlib.suppress(OSError):
            seconds += time.clock_gettime(~member << 3 | CPUCLOCK_SCHED)
    return seconds
