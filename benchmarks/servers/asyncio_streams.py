"""The servers with asyncio streams, as their users write them; on uvloop if the last argument is "uvloop"."""

import asyncio
import sys
from asyncio import StreamReader, StreamWriter

MESSAGE_BYTES = 65536
BLOCK = b"x" * (1 << 20)

members: set[StreamWriter] = set()


async def echo(reader: StreamReader, writer: StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()


async def message(reader: StreamReader, writer: StreamWriter) -> None:
    while True:
        writer.write(await reader.readexactly(MESSAGE_BYTES))
        await writer.drain()


async def sink(reader: StreamReader, _: StreamWriter) -> None:
    while await reader.read(MESSAGE_BYTES):
        pass


async def source(reader: StreamReader, writer: StreamWriter) -> None:
    while await reader.readline():
        writer.write(BLOCK)
        await writer.drain()


async def broadcast(reader: StreamReader, writer: StreamWriter) -> None:
    members.add(writer)
    try:
        while line := await reader.readline():
            for member in members:
                member.write(line)
    finally:
        members.discard(writer)


MODES = {mode.__name__: mode for mode in (echo, message, sink, source, broadcast)}


async def main(mode: str, host: str, port: int) -> None:
    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        try:
            await MODES[mode](reader, writer)
            writer.close()
            await writer.wait_closed()
        except (ConnectionError, asyncio.IncompleteReadError):
            writer.close()

    server = await asyncio.start_server(serve, host, port, backlog=1024)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    if sys.argv[4:] == ["uvloop"]:
        import uvloop

        uvloop.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
    else:
        asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
