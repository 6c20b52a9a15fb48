"""Handlers that compute: how much faster two workers are than one.

python -m benchmarks.cpu_bound
python -m benchmarks.cpu_bound --rounds 9 --calls 400

Each call costs 5 ms of pure Python, measured once at the start and the same for both. A caller keeps as many calls
outstanding as makes every worker busy. Both nodes are measured in each round, in turn, and compared within it. What the
machine itself gives is measured in the same round: bare processes that do the same work, one and two at a time. Two
cores that share an arithmetic unit, or that others use as well, give less than 2; nobody can give more than they do.

What others take from the cores is not in the CPU time of the processes. So that is compared as well: the busiest of two
workers needs half of what one worker needs, if the work is spread evenly and costs nothing more.
"""

import argparse
import contextlib
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.command_line import at_least
from benchmarks.harness import BenchmarkError, progress, stop

HANDLER_SECONDS = 0.005
NODE_SECONDS = 60.0
SERVICES = {
    "computer": """
import time

import skypy

@skypy.command
def cpu_seconds() -> float:
    return time.process_time()

@skypy.command
def compute(turns: int) -> int:
    total = 0
    for number in range(turns):
        total += number * number % 7
    return total
""",
    "caller": """
import asyncio
import json
import time

import skypy

@skypy.start
async def main(turns: str, calls: str, workers: str) -> None:
    computers = [await skypy.newservice("computer", worker=number + 1) for number in range(int(workers))]
    await asyncio.gather(*(skypy.call(computer, "compute", int(turns)) for computer in computers))
    before = [await skypy.call(computer, "cpu_seconds") for computer in computers]
    begin = time.perf_counter()
    share = int(calls) // len(computers) // 8 * 8
    await asyncio.gather(*(ask(computer, int(turns), share) for computer in computers))
    seconds = time.perf_counter() - begin
    after = [await skypy.call(computer, "cpu_seconds") for computer in computers]
    busiest = max(end - start for start, end in zip(before, after))
    calls_made = share * len(computers)
    skypy.log.info("result %s", json.dumps([calls_made / seconds, busiest / calls_made]))
    skypy.shutdown_node()

async def ask(computer: int, turns: int, calls: int) -> None:
    async def one_of_several() -> None:
        for _ in range(calls // 8):
            await skypy.call(computer, "compute", turns)

    await asyncio.gather(*(one_of_several() for _ in range(8)))
""",
}


COMPUTE = SERVICES["computer"][SERVICES["computer"].index("def compute") :]


class Measured(NamedTuple):
    """What some calls have come to."""

    calls_per_second: float
    busiest_seconds: float
    """CPU seconds of the process that has used most, by the number of all calls."""


def turns_of_a_handler() -> int:
    """How many turns of its loop take a handler's time here: the best of some tries."""
    code: dict[str, object] = {}
    exec(COMPUTE, code)
    compute = code["compute"]
    assert callable(compute)
    turns, best = 10_000, float("inf")
    for _ in range(20):
        begin = time.perf_counter()
        compute(turns)
        best = min(best, time.perf_counter() - begin)
    return round(turns * HANDLER_SECONDS / best)


def measure_node(folder: Path, workers: int, turns: int, calls: int) -> Measured:
    """Run a node with so many workers until it has made its calls."""
    command = [sys.executable, "-m", "skypy", "run", str(folder / "node.toml"), "--set", f"workers={workers}"]
    command += ["--set", f"start=caller {turns} {calls} {workers}"]
    node = subprocess.Popen(command, stderr=subprocess.PIPE, process_group=0)
    try:
        _, log = node.communicate(timeout=NODE_SECONDS)
    except subprocess.TimeoutExpired:
        raise BenchmarkError(f"the node with {workers} workers has not ended within {NODE_SECONDS:g} s") from None
    finally:
        stop(node)
    for line in log.decode().splitlines():
        if "] result " in line:
            return Measured(*json.loads(line.partition("] result ")[2]))
    raise BenchmarkError(f"the node with {workers} workers has no result:\n{log.decode()}")


def measure_bare(processes: int, turns: int, calls: int) -> Measured:
    """The same work without skypy."""
    share = calls // processes
    work = f"import sys, time\n{COMPUTE}"
    work += f"""
print("ready", flush=True)
sys.stdin.readline()
begin = time.process_time()
for _ in range({share}):
    compute({turns})
print(time.process_time() - begin)
"""
    command = [sys.executable, "-c", work]
    with contextlib.ExitStack() as stack:
        running = [
            stack.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
            for _ in range(processes)
        ]
        for process in running:
            assert process.stdout is not None
            process.stdout.readline()
        begin = time.perf_counter()
        for process in running:
            assert process.stdin is not None
            process.stdin.close()  # which lets it go on
        used = [float(process.stdout.read()) for process in running if process.stdout is not None]
        seconds = time.perf_counter() - begin
    return Measured(share * processes / seconds, max(used) / (share * processes))


def _by_clock(one: Measured, two: Measured) -> float:
    return two.calls_per_second / one.calls_per_second


def _by_cpu_time(one: Measured, two: Measured) -> float:
    return one.busiest_seconds / two.busiest_seconds


def ratio_line(what: str, ratios: list[float]) -> str:
    """A median with its spread."""
    return f"{what}: {statistics.median(ratios):.2f} ({min(ratios):.2f} .. {max(ratios):.2f})"


def report(nodes: dict[int, list[Measured]], bare: dict[int, list[Measured]]) -> list[str]:
    """What to print: rates, and ratios within a round, of those rounds that are complete."""
    lines = []
    for workers, measured in nodes.items():
        rates = [one.calls_per_second for one in measured]
        spread = f"{min(rates):,.1f} .. {max(rates):,.1f}"
        lines.append(f"{workers} worker(s): {statistics.median(rates):,.1f} calls/s ({spread})")
    clock, clock_bare, cpu, cpu_bare = (
        [ratio(one, two) for one, two in zip(measured[1], measured[2], strict=False)]
        for ratio in (_by_clock, _by_cpu_time)
        for measured in (nodes, bare)
    )
    lines += [
        ratio_line("2 workers / 1 worker, by the clock", clock),
        ratio_line("2 bare processes / 1, by the clock", clock_bare),
        ratio_line("skypy / bare, by the clock        ", [a / b for a, b in zip(clock, clock_bare, strict=False)]),
        ratio_line("2 workers / 1 worker, by CPU time ", cpu),
        ratio_line("2 bare processes / 1, by CPU time ", cpu_bare),
    ]
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cpu_bound")
    parser.add_argument("--rounds", type=at_least(1, int), default=5, help="measurements of each node")
    parser.add_argument("--calls", type=at_least(16, int), default=400, help="calls in one measurement")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    turns = turns_of_a_handler()
    nodes: dict[int, list[Measured]] = {1: [], 2: []}
    bare: dict[int, list[Measured]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as name, contextlib.suppress(KeyboardInterrupt):
        folder = Path(name)
        for service, source in SERVICES.items():
            (folder / f"{service}.py").write_text(source)
        (folder / "node.toml").write_text('workers = 1\nstart = "caller"\nservice_path = ["."]\n')
        for number in range(1, options.rounds + 1):
            for workers in (1, 2) if number % 2 else (2, 1):  # a node and its bare twin as close together as can be
                progress(f"round {number}/{options.rounds}, {workers} worker{'s' * (workers > 1)}: ")
                nodes[workers].append(measure_node(folder, workers, turns, options.calls))
                bare[workers].append(measure_bare(workers, turns, options.calls))
                rates = nodes[workers][-1].calls_per_second, bare[workers][-1].calls_per_second
                progress("{:,.0f} calls/s, bare {:,.0f}\n".format(*rates))
    if not bare[1] or not bare[2]:
        return 130
    print("\n".join(report(nodes, bare)))
    return 0 if min(len(bare[1]), len(bare[2])) == options.rounds else 130


if __name__ == "__main__":
    sys.exit(main())
