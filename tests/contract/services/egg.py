"""The other one."""

import skypy


@skypy.start
async def main() -> None:
    await find()


async def find() -> None:
    await skypy.queryservice("chicken")
