"""A service that waits for another one, which waits for this one."""

import skypy


@skypy.start
async def main() -> None:
    await skypy.uniqueservice("egg")
