"""The machine and the versions of a measurement: figures mean nothing without them."""

from __future__ import annotations

import contextlib
import datetime as dt
import importlib.metadata
import os
import platform
import subprocess
import sysconfig
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


def python_build() -> str:
    """Return how this interpreter was built: compiler, level of optimisation, and what its configuration names besides.

    With optimisation by profile (PGO) and at link time (LTO) Python code takes up to a fifth less. A distribution may
    have built with both without its configuration saying so, as Debian does.
    """
    arguments = str(sysconfig.get_config_var("CONFIG_ARGS"))
    levels = [flag for flag in str(sysconfig.get_config_var("PY_CFLAGS")).split() if flag.startswith("-O")]
    options = {"PGO": "--enable-optimizations", "LTO": "--with-lto"}
    named = " and ".join(name for name, option in options.items() if option in arguments) or "no PGO or LTO"
    return f"{platform.python_compiler()} {levels[-1] if levels else '-O0'}, {named} named"


def environment() -> dict[str, Any]:
    """Return machine, versions and commit."""
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
            "python_build": python_build(),
            "compiler": first_line("cc", "--version"),
            **{name: package_version(name) for name in PACKAGES},
        },
        "rivals": {name: rivals.version(name) for name in listed},
        "git": {
            "commit": first_line("git", "rev-parse", "--verify", "HEAD"),
            "modified": None if changes is None else changes != "",
        },
    }
