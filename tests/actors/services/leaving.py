"""A service whose start ends the process."""

import os

import skypy


@skypy.start
async def main(how: str = "") -> None:
    await skypy.sleep(0)
    if how == "exit":
        os._exit(4)
    if how == "wait":
        skypy.log.info("it starts")
        await skypy.wait("for ever")
