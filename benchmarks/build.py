"""Programs that are not in Python, compiled when the source is newer than the program."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from benchmarks.model import SetupError
from benchmarks.processes import FOLDER, ROOT

BUILD = FOLDER / "build"
LOAD = ROOT / "skypy" / "cli" / "load"
GENERATORS = FOLDER / "generators"


def no_compiler() -> str | None:
    return None if shutil.which("cc") else "needs a C compiler named cc (Debian: gcc and libc6-dev)"


def build(source: Path) -> Path:
    """Compile a C file if need be, and return its program. Raises SetupError."""
    program = BUILD / source.stem
    # Compiled beside and renamed: a benchmark that runs at the same time never starts half a program.
    unfinished = program.with_suffix(f".{os.getpid()}")
    if compile_newer(source, program, ["cc", "-O2", "-o", str(unfinished), str(source)], LOAD.glob("*.h")):
        unfinished.replace(program)
    return program


def build_java(source: Path, classpath: str) -> Path:
    """Compile a Java file if need be, and return its class file. Raises SetupError."""
    program = BUILD / f"{source.stem}.class"
    compile_newer(source, program, ["javac", "-cp", classpath, "-d", str(BUILD), str(source)])
    return program


def build_erlang(source: Path) -> Path:
    """Compile an Erlang file if need be, and return its beam file. Raises SetupError."""
    program = BUILD / f"{source.stem}.beam"
    compile_newer(source, program, ["erlc", "-o", str(BUILD), str(source)])
    return program


def compile_newer(source: Path, program: Path, command: list[str], included: Iterable[Path] = ()) -> bool:
    """Run a compiler unless the program is newer than its sources; return True if it ran. Raises SetupError."""
    newest = max(path.stat().st_mtime for path in (source, *included))
    if program.exists() and program.stat().st_mtime > newest:
        return False
    if shutil.which(command[0]) is None:
        raise SetupError(f"{source.name} needs the compiler '{command[0]}', which was not found")
    BUILD.mkdir(exist_ok=True)
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise SetupError(f"{command[0]} could not compile {source.name}:\n{run.stderr.strip()}")
    return True
