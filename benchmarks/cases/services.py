"""Services: how many start in a second, what an idle one takes, what more workers bring."""

from __future__ import annotations

import dataclasses

from benchmarks.actor_programs import contenders, memory
from benchmarks.model import Case

BOTH = "skypy, skynet"


def workers(count: int, name: str) -> Case:
    (only,) = contenders("work", count, "skypy")
    return Case("", "", "", "higher", (dataclasses.replace(only, name=name),))


CASES = (
    Case(
        "services-started",
        "services of four functions started one after the other",
        "services/s",
        "higher",
        contenders("start-services", 1, BOTH),
        {"skynet": 5},
    ),
    Case(
        "services-started-50",
        "services of four functions started, 50 at any time",
        "services/s",
        "higher",
        contenders("start-services", 50, BOTH),
        {"skynet": 5},
    ),
    Case(
        "memory-service",
        "memory (PSS) of an idle service of four functions, all processes, 2,000 services",
        "bytes",
        "lower",
        contenders("idle-services", 2000, BOTH, memory),
        {"skynet": 4},
    ),
    Case(
        "two-workers",
        "handlers of 5 ms of pure Python on two workers and on one",
        "handlers/s",
        "higher",
        (*workers(2, "skypy").contenders, *workers(1, "skypy, 1 worker").contenders),
        {"skypy, 1 worker": 1.8},
    ),
)
