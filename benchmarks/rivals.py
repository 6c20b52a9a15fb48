"""The rivals: their own environment, and the reasons for those that are missing on this machine.

python -m benchmarks install [--heavy]
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.processes import FOLDER, ROOT

ENVIRONMENT = FOLDER / ".venv"
PYTHON = ENVIRONMENT / "bin" / "python"
COMPILED = ROOT / ".venv-compiled"
PACKAGES = ("uvloop", "gevent", "pykka", "xoscar")
HEAVY_PACKAGES = ("thespian", "ray")


def install(heavy: bool) -> None:
    """Install missing packages, each by itself, so that one that cannot be had does not stop the others."""
    if not PYTHON.exists():
        subprocess.run([sys.executable, "-m", "venv", ENVIRONMENT], check=True)
    for package in PACKAGES + (HEAVY_PACKAGES if heavy else ()):
        if version(package) is not None:
            continue
        print(f"installing {package} into {ENVIRONMENT.relative_to(FOLDER.parent)}", file=sys.stderr)
        command = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", package]
        if subprocess.run(command, check=False).returncode != 0:
            print(f"{package} could not be installed: its cases will name it as missing", file=sys.stderr)
    versions.cache_clear()


def python() -> str:
    """Return the interpreter of rivals written in Python; those of the standard library need no environment."""
    return str(PYTHON) if PYTHON.exists() else sys.executable


@functools.cache
def versions() -> dict[str, str]:
    """Return the packages of the rivals' environment, with their versions."""
    if not PYTHON.exists():
        return {}
    command = [str(PYTHON), "-m", "pip", "list", "--disable-pip-version-check", "--format", "freeze"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    return {name.lower(): number for name, _, number in (line.partition("==") for line in listed)}


def version(package: str) -> str | None:
    return versions().get(package)


def no_package(package: str) -> str | None:
    """Return the reason for which a rival of the registry cannot take part; None if it can."""
    return None if version(package) else f"{package} is not installed: python -m benchmarks install --heavy"


def not_compiled() -> str | None:
    """Return the reason for which the compiled skypy cannot take part; None if it can."""
    return None if any(COMPILED.glob("lib/python3.*/site-packages/skypy")) else "skypy is not compiled: make compiled"


def skynet_home() -> str:
    return os.environ.get("SKYNET_HOME", "")


def no_skynet() -> str | None:
    """Return the reason for which skynet cannot take part; None if it can."""
    if not skynet_home():
        return "SKYNET_HOME does not point to a built skynet"
    if not os.access(Path(skynet_home()) / "skynet", os.X_OK):
        return "SKYNET_HOME has no program named skynet: build it with `make linux` there"
    return None


def netty_jars() -> list[Path]:
    return sorted(Path("/usr/share/java").glob("netty-*.jar"))


def no_netty() -> str | None:
    """Return the reason for which Netty cannot take part; None if it can."""
    if shutil.which("javac") and netty_jars():
        return None
    return "needs javac and Netty in /usr/share/java (Debian: default-jdk-headless and libnetty-java)"


def no_erlang() -> str | None:
    """Return the reason for which Erlang cannot take part; None if it can."""
    return None if shutil.which("erlc") else "erlc was not found (Debian: erlang-base)"


def nothing_missing() -> str | None:
    """Return None, for contenders that are always there."""
    return None
