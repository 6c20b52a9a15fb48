"""The settings of a test's node, as the marker `@pytest.mark.skypy` gives them: in the words of a config file."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any, Final

import pytest

from skypy.config.entry import Table
from skypy.config.schema import build
from skypy.config.sources import entries, merge, read_file
from skypy.core.errors import ConfigError
from skypy.core.settings import Settings

NO_START: Final = "none"


def read_seeds(item: pytest.Item) -> int:
    """Return the number of seeds that a test is played with; the closest marker wins."""
    marker = next((one for one in item.iter_markers("skypy") if "seeds" in one.kwargs), None)
    return 1 if marker is None else int(marker.kwargs["seeds"])


def read_settings(item: pytest.Item) -> Settings:
    """Return the settings in the markers of a test, its class and its module; the closest wins, key by key.

    Paths are relative to the test's file. Raises ConfigError, which names the key at fault.
    """
    file = os.path.relpath(item.path)
    table: Table = entries({"workers": 2, "start": NO_START, "service_path": _service_path(item)}, file)
    for marker in reversed(list(item.iter_markers("skypy"))):
        if marker.args:
            raise ConfigError(file, "@pytest.mark.skypy", f"takes keys, like workers=3, not {marker.args[0]!r}")
        values: dict[str, Any] = {key: _plain(value) for key, value in marker.kwargs.items() if key != "seeds"}
        config = values.pop("config", None)
        if config is not None:
            table = read_file(os.path.relpath(item.path.parent / config))
        table = merge(table, entries(values, file))
    settings = build(file, table)
    return replace(settings, start="") if settings.start == NO_START else settings


def _plain(value: Any) -> Any:
    return list(map(str, value)) if isinstance(value, list | tuple) else value


def _service_path(item: pytest.Item) -> list[str]:
    """Return the folders of the ini file, or `services` beside the test or at the root, or the test's own folder."""
    given: list[Any] = item.config.getini("skypy_service_path")
    if given:
        return list(map(str, given))
    folder = item.path.parent
    candidates = (folder / "services", item.config.rootpath / "services", folder)
    return [str(next(candidate for candidate in candidates if candidate.is_dir()))]
