"""Where and with what something was measured: figures mean nothing without it."""

from __future__ import annotations

import contextlib
import datetime as dt
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from benchmarks import rivals
from benchmarks.processes import ROOT

PACKAGES = ("skypy-runtime", "msgpack", "uvloop")


def first_line(*command: str) -> str | None:
    try:
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return run.stdout.partition("\n")[0].strip()


def cpu_model() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def package_version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def environment() -> dict[str, Any]:
    """Machine, versions and commit."""
    changes = first_line("git", "--no-optional-locks", "status", "--porcelain")
    listed = (*rivals.PACKAGES, *rivals.HEAVY_PACKAGES)
    return {
        "started": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "machine": {
            "cpu": cpu_model(),
            "cores": len(os.sched_getaffinity(0)),
            "kernel": platform.release(),
            "load_average_before": os.getloadavg()[0],
        },
        "versions": {
            "python": f"{platform.python_implementation()} {platform.python_version()}",
            "compiler": first_line("cc", "--version"),
            **{name: package_version(name) for name in PACKAGES},
        },
        "rivals": {name: rivals.version(name) for name in listed},
        "git": {
            "commit": first_line("git", "rev-parse", "--verify", "HEAD"),
            "modified": None if changes is None else changes != "",
        },
    }
