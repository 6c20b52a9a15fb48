"""A service whose start function takes its time."""

import skypy


@skypy.start
async def main() -> None:
    await skypy.sleep(9.9)
