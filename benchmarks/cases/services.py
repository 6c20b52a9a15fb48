"""Services: starts in a second, the memory of an idle one, the gain by more workers."""

from __future__ import annotations

import dataclasses
from functools import partial

from benchmarks.actor_programs import contenders, memory
from benchmarks.build import no_compiler
from benchmarks.cases.echo import paced_p99
from benchmarks.model import Case, Contender
from benchmarks.socket_servers import Server, measure, skypy_command

BOTH = "skypy, skynet"
ALL = "skypy, skypy compiled, skynet"


def workers(count: int, name: str) -> Contender:
    (only,) = contenders("work", count, "skypy")
    return dataclasses.replace(only, name=name)


def beside_a_blocked_worker(argument: str, name: str) -> Contender:
    server = Server(name, lambda _, port: skypy_command(f"blocked {argument}", port))
    return Contender(name, partial(measure, server, "echo", paced_p99), no_compiler)


CASES = (
    Case(
        "services-started",
        "services of four functions started one after the other",
        "services/s",
        "higher",
        contenders("start-services", 1, ALL),
        {"skynet": 5},
    ),
    Case(
        "services-started-50",
        "services of four functions started, 50 at any time",
        "services/s",
        "higher",
        contenders("start-services", 50, ALL),
        {"skynet": 5},
    ),
    Case(
        "memory-service",
        "memory (PSS) of an idle service of four functions, all processes, 2,000 services",
        "bytes",
        "lower",
        contenders("idle-services", 2000, BOTH, memory),
        {"skynet": 4},
        most_rounds=1,
    ),
    Case(
        "two-workers",
        "handlers of 5 ms of pure Python on two workers and on one; two bare processes are what the machine can do",
        "handlers/s",
        "higher",
        (workers(2, "skypy"), workers(1, "skypy, 1 worker"), *contenders("work", 2, "skypy sleeping, bare processes")),
        {"skypy, 1 worker": 1.8},
    ),
    Case(
        "blocked-worker",
        "line echo by an actor of worker 2 while handlers block worker 1 for 1 s each: 99th percentile of latency",
        "us",
        "lower",
        (beside_a_blocked_worker("blocking", "skypy"), beside_a_blocked_worker("quiet", "skypy, nothing blocks")),
        {"skypy, nothing blocks": 0.5},
    ),
)
