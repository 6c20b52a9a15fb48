"""Two functions for one command."""

import skypy


@skypy.command
def get() -> int:
    return 1


@skypy.command("get")
def get_again() -> int:
    return 2
