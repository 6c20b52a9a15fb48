"""The sources of values: config files, the files that these include, and `--set`."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from skypy.config.entry import COMMAND_LINE, Entry, Table
from skypy.config.schema import is_text, read_texts
from skypy.core.errors import ConfigError


def read_file(path: str, chain: Sequence[str] = ()) -> Table:
    """Return the table of a file on top of those that it includes. `chain`: the files before it. Raises ConfigError."""
    return _with_included(entries(_parse(path, chain), path), (*chain, path))


def read_overrides(overrides: Sequence[str]) -> Table:
    """Return the table of `KEY=VALUE` texts, later ones on top. Raises ConfigError."""
    table: Table = {}
    for override in overrides:
        key, equals, text = override.partition("=")
        name, dot, inner = key.strip().partition(".")
        if not (name and equals):
            raise ConfigError(COMMAND_LINE, override, "must be KEY=VALUE, like workers=4 or env.port=9000")
        value = text if is_text(key.strip()) else _toml_value(text)
        table = merge(table, entries({name: {inner: value} if dot else value}, COMMAND_LINE))
    return _with_included(table, (COMMAND_LINE,))


def merge(below: Table, above: Table) -> Table:
    """Return both tables in one: tables in them are merged as well; other values above replace those below."""
    merged = dict(below)
    for name, entry in above.items():
        hidden = merged.get(name)
        if hidden is not None and isinstance(hidden.value, dict) and isinstance(entry.value, dict):
            merged[name] = replace(entry, value=hidden.value | entry.value)
        else:
            merged[name] = entry
    return merged


def _with_included(table: Table, chain: Sequence[str]) -> Table:
    include = table.pop("include", None)
    if include is None:
        return table
    base: Table = {}
    for name in read_texts(include):
        path = os.path.normpath(os.path.join(include.folder, name))
        if os.path.realpath(path) in map(os.path.realpath, chain):
            raise include.error(f"a file cannot include itself: {' -> '.join((*chain, path))}")
        base = merge(base, read_file(path, chain))
    return merge(base, table)


def _parse(path: str, chain: Sequence[str]) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except OSError as error:
        if chain:  # the file to correct is the one that includes this one
            raise ConfigError(chain[-1], "include", f"{path}: {error.strerror}") from None
        raise ConfigError(path, "", str(error.strerror)) from None
    except (ValueError, RecursionError) as error:  # ValueError: not TOML, not UTF-8, or a number of 5000 digits
        raise ConfigError(path, "", f"this is not TOML: {error}") from None


def entries(plain: Mapping[str, Any], file: str, table: str = "") -> Table:
    """Return plain values as a table, written in `file`."""
    return {
        name: Entry(file, table, name, entries(value, file, name) if isinstance(value, dict) and not table else value)
        for name, value in plain.items()
    }


def _toml_value(text: str) -> Any:
    """Return a text as a TOML value. Other text stays a string, which the schema then refuses with an example."""
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return parsed["value"] if len(parsed) == 1 else text
