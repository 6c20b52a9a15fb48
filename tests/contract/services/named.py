"""An actor that has a name."""

import skypy


@skypy.start
def main(name: str) -> None:
    skypy.register(name)


@skypy.command
def who() -> int:
    return skypy.self()
