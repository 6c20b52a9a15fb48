"""Two start functions."""

import skypy


@skypy.start
def one() -> None: ...


@skypy.start
def two() -> None: ...
