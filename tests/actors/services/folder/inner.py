"""A service in a folder."""

import skypy


@skypy.command
def where() -> str:
    return "inner"
