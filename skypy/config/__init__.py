"""Config files, and the Settings that they make.

    sources   files, the files that they include and `--set`, merged; every value remembers its place
    entry     one such value, and `${NAME}` in it
    schema    keys and types, read off the Settings classes; every complaint about a value is made there

A value that another one overrides is not checked, so that `--set env.port=9000` also stands in for an environment
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
    """Return the checked settings of a config file.

    path: a TOML file, which may include others; overrides: `KEY=VALUE` texts with dotted keys, as `--set` takes them.
    Relative paths in overrides start from the current folder, and files that overrides include override the file.
    Raises ConfigError, which names the file in which the value at fault was written, or `--set`.
    """
    if not path:
        raise ConfigError('""', "", "the name of the config file is empty")
    try:
        path.encode()
    except UnicodeEncodeError:  # it could not be sent to another process
        raise ConfigError(path, "", "the name of the config file must be UTF-8 text") from None
    return build(path, merge(read_file(path), read_overrides(overrides)))
