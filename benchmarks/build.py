"""Compile what is not Python, when its source is newer than its program."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from benchmarks.model import SetupError
from benchmarks.processes import FOLDER, ROOT

BUILD = FOLDER / "build"
LOAD = ROOT / "skypy" / "cli" / "load"
GENERATORS = FOLDER / "generators"


def no_compiler() -> str | None:
    return None if shutil.which("cc") else "needs a C compiler named cc (Debian: gcc and libc6-dev)"


def build(source: Path) -> Path:
    """The program of one C file. Raises SetupError."""
    program = BUILD / source.stem
    newest = max(path.stat().st_mtime for path in (source, *LOAD.glob("*.h")))
    if program.exists() and program.stat().st_mtime > newest:
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
