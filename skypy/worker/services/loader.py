"""The files of services, and a module of its own for every instance.

The code of a file is compiled once per process; each instance runs it in a module of its own, as each skynet service
has a Lua state of its own. While the actor lives its module is in `sys.modules` under a name of its own
(`echo@01000008`), so that dataclasses, typing, pickle, inspect and tracebacks find it; `unload` takes it out again,
and its loggers with it.
"""

from __future__ import annotations

import difflib
import importlib.machinery
import importlib.util
import logging
import os
import stat
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from types import CodeType, ModuleType

from skypy.core.errors import ServiceError

_compiled: dict[str, tuple[tuple[int, int], CodeType, importlib.machinery.ModuleSpec]] = {}


def check_service_name(name: str) -> None:
    """Check the name of a service. Raises ServiceError if no service can have it, TypeError if it is not a str."""
    if type(name) is str and name.isidentifier():
        return
    if not isinstance(name, str):
        raise TypeError(f"the name of a service is a str, not {type(name).__name__}")
    if not all(part.isidentifier() for part in name.split("/")):
        raise ServiceError(f'"{name}" cannot be the name of a service: it is a path of identifiers like "game/agent"')


def find_service(name: str, service_path: Sequence[str]) -> tuple[str, os.stat_result]:
    """Return the file of a service and its status: `game/agent` is `game/agent.py` in the first folder that has it.

    Raises ServiceError, which lists the folders and suggests the most similar name.
    """
    check_service_name(name)
    for folder in service_path:
        file = f"{folder}/{name}.py"
        try:
            status = os.stat(file)
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode):
            return file, status
    known = sorted(
        str(file.relative_to(folder).with_suffix("")) for folder in service_path for file in Path(folder).rglob("*.py")
    )
    nearest = difflib.get_close_matches(name, known, 1)
    looked = ", ".join(service_path) or "nowhere: service_path is empty"
    raise ServiceError(
        f'no service "{name}" (looked for {name}.py in {looked})'
        + (f'; did you mean "{nearest[0]}"?' if nearest else "")
    )


def compile_service(file: str, status: os.stat_result) -> tuple[CodeType, importlib.machinery.ModuleSpec]:
    """Return the code of a service file, compiled once until the file changes. Raises SyntaxError and OSError."""
    version = (status.st_mtime_ns, status.st_size)
    known = _compiled.get(file)
    if known is None or known[0] != version:
        source = Path(file).read_bytes()
        code = compile(source, file, "exec", dont_inherit=True)  # else the imports from __future__ above would apply
        spec = importlib.util.spec_from_file_location(Path(file).stem, file)
        if spec is None:
            raise ServiceError(f"{file} cannot be loaded as a Python module")
        _compiled[file] = known = (version, code, spec)
    return known[1], known[2]


def create_module(file: str, status: os.stat_result, module_name: str) -> tuple[ModuleType, CodeType]:
    """Return an empty module for one instance, registered in `sys.modules`, and the code to be run in the module."""
    code, spec = compile_service(file, status)
    module = ModuleType(module_name)
    module.__file__ = file
    module.__spec__ = spec
    module.__package__ = ""  # a service has no package: relative imports say so
    sys.modules[module_name] = module
    return module, code


def unload(module_names: Collection[str]) -> None:
    """Remove the modules of instances that have ended, and the loggers below their names."""
    loggers = logging.Logger.manager.loggerDict
    has_loggers = False
    for name in module_names:
        sys.modules.pop(name, None)
        has_loggers = has_loggers or name in loggers  # so it is also when only `name.part` was asked for
    if has_loggers:
        ended = set(module_names)
        for name in [name for name in loggers if name.partition(".")[0] in ended]:
            del loggers[name]
