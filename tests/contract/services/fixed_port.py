"""An actor that listens at the port of its argument."""

import skypy
from skypy import socket


@skypy.start
async def main(port: int) -> None:
    await socket.listen("127.0.0.1", port)
