"""A service that gets a value of a class which it registers itself."""

import skypy
from tests.actors import points

skypy.register_type(points.Late, 21, lambda late: bytes([late.number]), lambda data: points.Late(data[0]))
arrived: list[points.Late] = []


@skypy.start
def main(late: points.Late) -> None:
    arrived.append(late)


@skypy.command
def given() -> int:
    return arrived[0].number
