"""One value of a config, its place, and the environment variables that it names."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from typing import Any, TypeAlias

from skypy.core.errors import ConfigError

COMMAND_LINE = "--set"
"""The name of the command line in messages, in place of a file."""

_REFERENCE = re.compile(
    r"\$(?:(?P<escape>\$)\{|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<fallback>:-(?P<default>[^{}]*))?\}|(?P<broken>\{))"
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A value, its name in a table ("" is the top), and its file as the user named it.

    The value of an entry that is a table is a Table, one level deep.
    """

    file: str
    table: str
    name: str
    value: Any

    @property
    def key(self) -> str:
        """The dotted key as in TOML."""
        return f"{self.table}.{toml_key(self.name)}" if self.table else toml_key(self.name)

    @property
    def folder(self) -> str:
        """The start of relative paths: the folder of the file, or the current one for the command line."""
        return os.path.dirname(self.file)

    def error(self, problem: str) -> ConfigError:
        """Return the error that names this value and its place."""
        return ConfigError(self.file, self.key, problem)

    def expand(self, text: str) -> str:
        """Return a text with `${NAME}` and `${NAME:-default}` read from the environment; `$${` stands for a plain `${`.

        As in the shell, the default also replaces an empty variable. Raises ConfigError.
        """
        if self.file == COMMAND_LINE:  # the shell has expanded it; a second time would spoil a password
            return text
        return _REFERENCE.sub(self._replacement, text)

    def _replacement(self, match: re.Match[str]) -> str:
        if match["escape"]:
            return "${"
        if match["broken"]:
            raise self.error('"${" begins "${NAME}" or "${NAME:-default}"; write "$${" for the two characters')
        name = match["name"]
        value = os.environ.get(name)
        if match["fallback"]:
            return value or str(match["default"])
        if value is None:
            raise self.error(f'the environment variable {name} is not set; set it, or write "${{{name}:-default}}"')
        return value


Table: TypeAlias = dict[str, Entry]


def toml_key(name: str) -> str:
    """Return a name as a TOML key, quoted if it has to be."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)
