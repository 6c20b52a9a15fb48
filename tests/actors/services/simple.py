"""A service with a plain start function."""

from typing import Any

import skypy

given: list[Any] = []


@skypy.start
def main(*args: Any) -> None:
    given.extend(args)


@skypy.command
def arguments() -> list[Any]:
    return given
