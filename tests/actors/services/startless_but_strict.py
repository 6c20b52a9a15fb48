"""A service whose start function takes nothing."""

import skypy


@skypy.start
def main() -> None: ...
