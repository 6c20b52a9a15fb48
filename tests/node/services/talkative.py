"""Counts in its log, for ever."""

import skypy


@skypy.start
def main() -> None:
    skypy.fork(count)


async def count() -> None:
    number = 0
    while True:
        number += 1
        skypy.log.info("line %d", number)
        await skypy.sleep(0.0001)
