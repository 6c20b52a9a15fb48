"""A service without a start function."""

import skypy


@skypy.command
def hello() -> str:
    return "hello"
