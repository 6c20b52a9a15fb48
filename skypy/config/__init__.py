"""Config files → Settings.

    sources   files, what they include and `--set`, merged; every value remembers where it was written
    entry     one such value, and `${NAME}` in it
    schema    keys and types, read off the Settings classes; every complaint about a value is made there

A value that another one overrides is not looked at, so that `--set env.port=9000` also stands in for an environment
variable that is not set.
"""

from __future__ import annotations

from collections.abc import Sequence

from skypy.config.schema import build
from skypy.config.sources import merge, read_file, read_overrides
from skypy.core.errors import ConfigError
from skypy.core.settings import Settings

__all__ = ["load"]


def load(path: str, overrides: Sequence[str] = ()) -> Settings:
    """The checked settings of a config file.

    path: a TOML file, which may include others; overrides: `KEY=VALUE` texts with dotted keys, as `--set` takes them:
    relative paths in them are relative to the current folder, and what they include overrides the file.
    Raises ConfigError, which names the file in which the value at fault was written, or `--set`.
    """
    if not path:
        raise ConfigError('""', "", "the name of the config file is empty")
    try:
        path.encode()
    except UnicodeEncodeError:  # it would stop the settings on their way to another process
        raise ConfigError(path, "", "the name of the config file must be UTF-8 text") from None
    return build(path, merge(read_file(path), read_overrides(overrides)))
