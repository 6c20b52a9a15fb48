"""The servers with an asyncio Protocol: callbacks, no tasks, no back-pressure; on uvloop if the last argument says so.

`joined` is the echo with the answers to all lines of one read put into one write by hand.
"""

import asyncio
import sys
from typing import cast

MESSAGE_BYTES = 65536
BLOCK = b"x" * (1 << 20)


class Base(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self) -> None:
        self.rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # that of uvloop is none by inheritance

    def lines(self, data: bytes) -> list[bytes]:
        *lines, self.rest = (self.rest + data).split(b"\n")
        return lines


class Echo(Base):
    def data_received(self, data: bytes) -> None:
        for line in self.lines(data):
            self.transport.write(line + b"\n")


class Joined(Base):
    def data_received(self, data: bytes) -> None:
        self.transport.writelines([line + b"\n" for line in self.lines(data)])


class Message(Base):
    def data_received(self, data: bytes) -> None:
        self.rest += data
        while len(self.rest) >= MESSAGE_BYTES:
            self.transport.write(self.rest[:MESSAGE_BYTES])
            self.rest = self.rest[MESSAGE_BYTES:]


class Sink(Base):
    def data_received(self, data: bytes) -> None:
        pass


class Source(Base):
    def data_received(self, data: bytes) -> None:
        for _ in self.lines(data):
            self.transport.write(BLOCK)


class Broadcast(Base):
    members: set[asyncio.Transport] = set()  # noqa: RUF012 - shared by all connections on purpose

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.members.add(self.transport)

    def data_received(self, data: bytes) -> None:
        for line in self.lines(data):
            for member in self.members:
                member.write(line + b"\n")

    def connection_lost(self, exc: Exception | None) -> None:
        self.members.discard(self.transport)


MODES = {mode.__name__.lower(): mode for mode in (Echo, Joined, Message, Sink, Source, Broadcast)}


async def main(mode: str, host: str, port: int) -> None:
    server = await asyncio.get_running_loop().create_server(MODES[mode], host, port, backlog=1024)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    if sys.argv[4:] == ["uvloop"]:
        import uvloop

        uvloop.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
    else:
        asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
