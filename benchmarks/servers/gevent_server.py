"""The servers with gevent: a greenlet per connection, blocking calls."""

import sys

from gevent.server import StreamServer
from gevent.socket import socket

MESSAGE_BYTES = 65536
BLOCK = b"x" * (1 << 20)

members: set[socket] = set()


def echo(client: socket, _: object) -> None:
    with client.makefile("rb") as lines:
        for line in lines:
            client.sendall(line)


def message(client: socket, _: object) -> None:
    with client.makefile("rb") as stream:
        while len(data := stream.read(MESSAGE_BYTES)) == MESSAGE_BYTES:
            client.sendall(data)


def sink(client: socket, _: object) -> None:
    while client.recv(MESSAGE_BYTES):
        pass


def source(client: socket, _: object) -> None:
    with client.makefile("rb") as lines:
        for _line in lines:
            client.sendall(BLOCK)


def broadcast(client: socket, _: object) -> None:
    members.add(client)
    try:
        with client.makefile("rb") as lines:
            for line in lines:
                for member in list(members):
                    member.sendall(line)
    finally:
        members.discard(client)


MODES = {mode.__name__: mode for mode in (echo, message, sink, source, broadcast)}


def main(mode: str, host: str, port: int) -> None:
    def serve(client: socket, address: object) -> None:
        try:
            MODES[mode](client, address)
        except ConnectionError:
            pass
        finally:
            client.close()

    StreamServer((host, port), serve, backlog=1024).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
