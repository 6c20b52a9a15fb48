"""No actors: a process for each worker, with the work of its handlers and without any message.

python -m benchmarks.actors.bare_processes work WIDTH SECONDS
"""

import multiprocessing
import sys
import time

from benchmarks.actors.measuring import report

CPU_SECONDS = 0.005


def work(seconds: float, counted: "multiprocessing.SimpleQueue[int]") -> None:
    until = time.perf_counter() + seconds
    count = 0
    while time.perf_counter() < until:
        done = time.thread_time() + CPU_SECONDS
        while time.thread_time() < done:
            sum(range(200))
        count += 1
    counted.put(count)


if __name__ == "__main__":
    width, seconds = int(sys.argv[2]), float(sys.argv[3])
    counted: "multiprocessing.SimpleQueue[int]" = multiprocessing.SimpleQueue()
    processes = [multiprocessing.Process(target=work, args=(seconds, counted)) for _ in range(width)]
    started = time.perf_counter()
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    report(sum(counted.get() for _ in processes) / (time.perf_counter() - started))
