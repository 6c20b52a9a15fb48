"""The keys and types of a config. They come from the Settings classes, so a new limit needs no second place."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from skypy.config.entry import Entry, Table, toml_key
from skypy.core.errors import ConfigError
from skypy.core.settings import Settings


@dataclass(frozen=True, slots=True)
class _Key:
    kind: Any
    field: Field[Any]

    @property
    def required(self) -> bool:
        return self.field.default is MISSING and self.field.default_factory is MISSING


def _keys(settings: Any, table: str = "") -> dict[str, _Key]:
    """Return the dotted keys of a Settings class and of the classes inside it."""
    kinds = get_type_hints(settings)
    keys: dict[str, _Key] = {}
    for field in fields(settings):
        kind = kinds[field.name]
        keys[table + field.name] = _Key(kind, field)
        if is_dataclass(kind):
            keys |= _keys(kind, f"{field.name}.")
    return keys


_KEYS = _keys(Settings)
del _KEYS["config_file"]  # an argument of the command line, not a key

_PLACES = {key.rpartition(".")[2]: key for key in ("include", *_KEYS)}

_EXAMPLES = {
    "start": '"echo"',
    "service_path": '["../services"]',
    "logger": '"-"',
    "include": '["base.toml"]',
    "workers": "4",
}

_LARGEST = {
    "workers": 64,
    int: 2**40,  # bytes: more is a typing mistake
    "node.spin": 1_000_000,  # microseconds: a process that is idle for longer may sleep
    "node.max_restarts": 1_000_000,  # the time of each death within the period is kept
    float: 1_000_000,  # seconds: poll(2) counts milliseconds in 32 bits
}


_SMALLEST = {"node.spin": 0, "node.max_restarts": 0}


def build(config_file: str, table: Table) -> Settings:
    """Return the settings that a merged table describes. Raises ConfigError for the first value at fault."""
    values = {name: _read(entry) for name, entry in table.items()}
    for name, key in _KEYS.items():
        if key.required and name not in values:
            raise ConfigError(config_file, name, f"is missing; write {_example(name)}")
    return Settings(config_file=config_file, **values)


def is_text(key: str) -> bool:
    """Return True if the value of a dotted key is a string, so that the command line needs no quotes."""
    table, dot, _ = key.partition(".")
    if key in _KEYS:
        return _KEYS[key].kind is str or get_origin(_KEYS[key].kind) is Literal
    return bool(dot) and table in _KEYS and _KEYS[table].kind == Mapping[str, str]


def read_texts(entry: Entry) -> tuple[str, ...]:
    """Return a list of non-empty strings, expanded. Raises ConfigError."""
    if not isinstance(entry.value, list) or not all(isinstance(item, str) and item for item in entry.value):
        raise _mistyped(entry, "a list of strings, none of them empty")
    return tuple(_expanded(entry, item) for item in entry.value)


def _read(entry: Entry) -> Any:
    key = _KEYS.get(entry.key)
    if key is None:
        raise _unknown(entry)
    if get_origin(key.kind) is Literal:
        return _read_choice(entry, get_args(key.kind))
    if get_origin(key.kind) in (Union, UnionType):
        return _read_number_or_choice(entry, _choices(key.kind))
    if key.kind not in _READERS:  # a class of limits
        return key.kind(**{name: _read(inner) for name, inner in _read_table(entry).items()})
    value = _READERS[key.kind](entry)
    return _RULES[entry.key](entry, value) if entry.key in _RULES else value


# -- one reader for each type ------------------------------------------------------------------------------------------


def _read_text(entry: Entry) -> str:
    if not isinstance(entry.value, str):
        raise _mistyped(entry, "a string")
    return _expanded(entry, entry.value)


def _read_choice(entry: Entry, choices: Sequence[str]) -> str:
    if entry.value not in choices:
        raise _mistyped(entry, " or ".join(f'"{choice}"' for choice in choices))
    return str(entry.value)


def _read_whole_number(entry: Entry, instead: Sequence[str] = ()) -> int:
    """Return a number within the limits of its key; `instead`: words that were possible, for the error."""
    smallest, largest = _SMALLEST.get(entry.key, 1), _LARGEST.get(entry.key, _LARGEST[int])
    if type(entry.value) is not int or not smallest <= entry.value <= largest:  # isinstance would let True pass
        words = "".join(f'"{word}" or ' for word in instead)
        raise _mistyped(entry, f"{words}a whole number from {smallest} to {largest}")
    return entry.value


def _read_number_or_choice(entry: Entry, choices: Sequence[str]) -> int | str:
    if isinstance(entry.value, str) and entry.value in choices:
        return entry.value
    return _read_whole_number(entry, choices)


def _choices(union: Any) -> list[str]:
    """Return the words of a union of a number and a Literal."""
    return [word for kind in get_args(union) if get_origin(kind) is Literal for word in get_args(kind)]


def _read_seconds(entry: Entry) -> float:
    if type(entry.value) not in (int, float) or not 0 < entry.value <= _LARGEST[float]:
        raise _mistyped(entry, f"a number of seconds, above 0 and at most {_LARGEST[float]}")
    return float(entry.value)


def _read_table(entry: Entry) -> Table:
    if not isinstance(entry.value, dict):
        raise entry.error(f"must be a table, begun by a line [{entry.key}]; found {_found(entry.value)}")
    return entry.value


def _read_strings(entry: Entry) -> dict[str, str]:
    return {name: _read_string(inner) for name, inner in _read_table(entry).items()}


def _read_string(entry: Entry) -> str:
    """Return a string whose name is the user's own; the error spells out the line to write."""
    if not entry.name:
        raise entry.error("a key cannot be empty")
    if isinstance(entry.value, str):
        return _expanded(entry, entry.value)
    if isinstance(entry.value, dict):
        inner = next(iter(entry.value), "")
        raise entry.error(f'must be a string, not a table; a name with a dot is quoted: "{entry.name}.{inner}" = "..."')
    value = "..." if isinstance(entry.value, list) else _plain(entry.value)
    raise entry.error(f'must be a string; write {toml_key(entry.name)} = "{value}"')


_READERS: Mapping[Any, Callable[[Entry], Any]] = {
    str: _read_text,
    int: _read_whole_number,
    float: _read_seconds,
    tuple[str, ...]: read_texts,
    Mapping[str, str]: _read_strings,
}


# -- rules beyond types ------------------------------------------------------------------------------------------------


def _start(entry: Entry, text: str) -> str:
    if not text.strip():
        raise entry.error(f"must name the first service; write {_example('start')}")
    return text


def _service_path(entry: Entry, texts: tuple[str, ...]) -> tuple[str, ...]:
    folders = tuple(_absolute(entry, text) for text in texts)
    for folder in folders:
        if not os.path.isdir(folder):
            raise entry.error(f"{folder} is {'not a folder' if os.path.exists(folder) else 'missing'}")
    return folders


def _logger(entry: Entry, text: str) -> str:
    if text == "-":
        return text
    if not text:
        raise entry.error('must be "-" for standard error, or a file')
    file = _absolute(entry, text)
    folder = os.path.dirname(file)
    if not os.path.isdir(folder):
        raise entry.error(f"the folder {folder} is missing")
    if os.path.isdir(file):
        raise entry.error(f"{file} is a folder, not a file")
    if not os.access(file if os.path.exists(file) else folder, os.W_OK):
        raise entry.error(f"{file} cannot be written")
    return file


_RULES: Mapping[str, Callable[[Entry, Any], Any]] = {
    "start": _start,
    "service_path": _service_path,
    "logger": _logger,
}


def _absolute(entry: Entry, path: str) -> str:
    return _utf8(entry, os.path.abspath(os.path.join(entry.folder, path)))


def _expanded(entry: Entry, text: str) -> str:
    return _utf8(entry, entry.expand(text))


def _utf8(entry: Entry, text: str) -> str:
    """Return the text if it is UTF-8: the environment, the command line and names of files may hold any bytes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise entry.error("must be UTF-8 text") from None
    if "\0" in text:
        raise entry.error("must not contain a NUL character")
    return text


# -- messages ----------------------------------------------------------------------------------------------------------


def _mistyped(entry: Entry, expected: str) -> ConfigError:
    return entry.error(f"must be {expected}, like {_example(entry.key)}; found {_found(entry.value)}")


def _unknown(entry: Entry) -> ConfigError:
    nearest = difflib.get_close_matches(entry.name.rpartition(".")[2].lower(), _PLACES, 1)
    hint = f"did you mean {_PLACES[nearest[0]]}?" if nearest else f"known are {', '.join(sorted(_PLACES.values()))}"
    return entry.error(f"unknown key; {hint}")


def _example(key: str) -> str:
    return f"{key.rpartition('.')[2]} = {_EXAMPLES.get(key) or json.dumps(_KEYS[key].field.default)}"


def _found(value: Any) -> str:
    """Return a value as its writer knows it, shortened if it is long."""
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "a list"
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, str) else _plain(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and value.bit_length() > 64:  # Python refuses to print thousands of digits
        return hex(value)
    return str(value)
