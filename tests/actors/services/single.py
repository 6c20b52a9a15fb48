"""A service of which there is one instance."""

from typing import Any

import skypy

given: list[Any] = []


@skypy.start
async def main(*args: Any) -> None:
    given.extend(args)
    await skypy.sleep(0.01 if args == ("slow",) else 0)
    if args == ("fail",):
        raise ValueError("asked to fail")
    if args == ("exit",):
        skypy.exit()


@skypy.command
def who() -> int:
    return skypy.self()


@skypy.command
def arguments() -> list[Any]:
    return given
