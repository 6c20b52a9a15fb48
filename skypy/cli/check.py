"""The checks before a node starts, and the summary of `skypy check`."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence

from skypy.cli.failure import BadInput
from skypy.config import load
from skypy.core.errors import ConfigError, ServiceError
from skypy.core.settings import Settings
from skypy.worker.services.loader import compile_service, find_service
from skypy.worker.tasks.assumptions import UnsupportedInterpreter, check_interpreter


def load_config(config: str, overrides: Sequence[str]) -> tuple[Settings, str]:
    """Return the settings of a config file, and the file of its start service. Raises BadInput."""
    try:
        check_interpreter()
        settings = load(config, overrides)
        return settings, _find_start(settings)
    except (ConfigError, UnsupportedInterpreter) as error:
        raise BadInput(str(error)) from None


def compile_start(service_file: str) -> None:
    """Compile the start service, to find its syntax errors. Raises BadInput."""
    try:
        compile_service(service_file, os.stat(service_file))
    except SyntaxError as error:
        line = f": {error.text.strip()}" if error.text else ""
        raise BadInput(f"{service_file}:{error.lineno or 1}: {error.msg}{line}") from None
    except Exception as error:  # of the file, or RecursionError and MemoryError of the compiler
        raise BadInput(f"{service_file}: {getattr(error, 'strerror', None) or str(error) or repr(error)}") from None


def summary(settings: Settings, service_file: str) -> str:
    """Return a readable summary of the node that `skypy run` would start."""
    sections = {
        "start": [f"{settings.start} ({service_file})"],
        "workers": [str(settings.workers)],
        "service_path": settings.service_path,
        "logger": ["standard error" if settings.logger == "-" else settings.logger],
        "stop_timeout": [_quantity(settings.stop_timeout)],
        "env": [f'{key} = "{value}"' for key, value in settings.env.items()] or ["nothing"],
        "socket": [
            f"{field.name} = {_quantity(getattr(settings.socket, field.name))}"
            for field in dataclasses.fields(settings.socket)
        ],
        "node": [
            f"spin = {_quantity(settings.node.spin, 'microseconds')}",
            f"max_restarts = {settings.node.max_restarts}",
            f"restart_period = {_quantity(settings.node.restart_period)}",
        ],
    }
    return "\n".join((*_aligned(sections), f"{settings.config_file} is fine."))


def _find_start(settings: Settings) -> str:
    try:
        return find_service(settings.start.split()[0], settings.service_path)[0]
    except ServiceError as error:
        raise ConfigError(settings.config_file, "start", str(error)) from None


def _aligned(sections: dict[str, Sequence[str]]) -> Iterator[str]:
    width = max(map(len, sections))
    for title, lines in sections.items():
        for number, line in enumerate(lines):
            yield f"{'' if number else title:<{width}}  {line}"


def _quantity(limit: float | str, unit: str = "bytes") -> str:
    """Return a limit with its unit: seconds are floats, choices are words, whole numbers have the `unit`."""
    if isinstance(limit, str):
        return f'"{limit}"'
    return f"{limit:g} s" if isinstance(limit, float) else f"{limit} {unit}"
