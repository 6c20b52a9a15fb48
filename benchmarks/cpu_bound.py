"""Handlers that compute: how much faster two workers are than one.

python -m benchmarks.cpu_bound
python -m benchmarks.cpu_bound --rounds 9 --calls 400

Each call costs 5 ms of pure Python, measured once at the start and the same for both. A caller keeps as many calls
outstanding as makes every worker busy. Both nodes are measured in each round, in turn, and compared within it. What the
machine itself gives is measured in the same round: bare processes that do the same work, one and two at a time.
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

from benchmarks.command_line import at_least
from benchmarks.harness import BenchmarkError, progress, stop

HANDLER_SECONDS = 0.005
NODE_SECONDS = 60.0
SERVICES = {
    "computer": """
import skypy

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
    begin = time.perf_counter()
    share = int(calls) // len(computers) // 8 * 8
    await asyncio.gather(*(ask(computer, int(turns), share) for computer in computers))
    skypy.log.info("result %s", json.dumps(share * len(computers) / (time.perf_counter() - begin)))
    skypy.shutdown_node()

async def ask(computer: int, turns: int, calls: int) -> None:
    async def one_of_several() -> None:
        for _ in range(calls // 8):
            await skypy.call(computer, "compute", turns)

    await asyncio.gather(*(one_of_several() for _ in range(8)))
""",
}


def turns_of_a_handler() -> int:
    """How many turns of its loop take a handler's time here: the best of some tries."""
    code: dict[str, object] = {}
    exec(SERVICES["computer"].replace("@skypy.command", "").replace("import skypy", ""), code)
    compute = code["compute"]
    assert callable(compute)
    turns, best = 10_000, float("inf")
    for _ in range(20):
        begin = time.perf_counter()
        compute(turns)
        best = min(best, time.perf_counter() - begin)
    return round(turns * HANDLER_SECONDS / best)


def calls_per_second(folder: Path, workers: int, turns: int, calls: int) -> float:
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
            return float(json.loads(line.rpartition(" ")[2]))
    raise BenchmarkError(f"the node with {workers} workers has no result:\n{log.decode()}")


def bare_calls_per_second(processes: int, turns: int, calls: int) -> float:
    """The same work without skypy."""
    work = SERVICES["computer"].replace("@skypy.command", "").replace("import skypy", "import sys")
    work += f"""
print("ready", flush=True)
sys.stdin.readline()
for _ in range({calls // processes}):
    compute({turns})
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
        for process in running:
            process.wait()
        return calls // processes * processes / (time.perf_counter() - begin)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cpu_bound")
    parser.add_argument("--rounds", type=at_least(1, int), default=5, help="measurements of each node")
    parser.add_argument("--calls", type=at_least(8, int), default=400, help="calls in one measurement")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    turns = turns_of_a_handler()
    rates: dict[int, list[float]] = {1: [], 2: []}
    bare: list[float] = []
    with tempfile.TemporaryDirectory() as name, contextlib.suppress(KeyboardInterrupt):
        folder = Path(name)
        for service, source in SERVICES.items():
            (folder / f"{service}.py").write_text(source)
        (folder / "node.toml").write_text('workers = 1\nstart = "caller"\nservice_path = ["."]\n')
        for number in range(1, options.rounds + 1):
            for workers in (1, 2) if number % 2 else (2, 1):
                progress(f"round {number}/{options.rounds}, {workers} worker{'s' * (workers > 1)}: ")
                rates[workers].append(calls_per_second(folder, workers, turns, options.calls))
                progress(f"{rates[workers][-1]:,.0f} calls/s\n")
            one, two = (bare_calls_per_second(processes, turns, options.calls) for processes in (1, 2))
            bare.append(two / one)
    ratios = [two / one for one, two in zip(rates[1], rates[2], strict=False)]
    if not ratios:
        return 130
    for workers, measured in rates.items():
        spread = f"{min(measured):,.1f} .. {max(measured):,.1f}"
        print(f"{workers} worker(s): {statistics.median(measured):,.1f} calls/s ({spread})")
    print(f"2 workers / 1 worker: {statistics.median(ratios):.2f} ({min(ratios):.2f} .. {max(ratios):.2f})")
    if bare:
        print(f"2 bare processes / 1: {statistics.median(bare):.2f} ({min(bare):.2f} .. {max(bare):.2f})")
    return 0 if len(ratios) == options.rounds else 130


if __name__ == "__main__":
    sys.exit(main())
