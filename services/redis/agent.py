"""Talks to clients in the Redis protocol (RESP2), and passes commands that have to do with keys to the store.

Commands that have arrived together are answered with one write, and take one call of the store at most.
"""

from typing import Any, Final

import skypy
from skypy import socket

Reply = Any
"""An int, bytes, None, a list of them, or a str, which is a line of the protocol: "+OK" or "-ERR ..."."""

LONGEST_LINE: Final = 65536
MOST_ARGUMENTS: Final = 1048576
LARGEST_ARGUMENT: Final = 536870912

ANSWERED_HERE: Final = frozenset({b"PING", b"ECHO", b"SELECT", b"COMMAND", b"CONFIG", b"INFO", b"CLIENT", b"QUIT"})
SETTINGS: Final = {b"save": b"", b"appendonly": b"no"}
INFO: Final = b"# Server\r\nredis_version:7.0.0\r\nredis_mode:standalone\r\nserver_name:skypy\r\n"


@skypy.start
def main(name: str) -> None:
    """Be an agent with a name, under which the listener finds it."""
    skypy.register(name)


@skypy.command
async def serve(fd: int) -> None:
    """Take a client over from the listener."""
    await socket.start(fd)
    skypy.fork(talk, fd)


async def talk(fd: int) -> None:
    """Answer commands until the client quits, has finished sending, or breaks the protocol."""
    requests = Requests()
    try:
        while not requests.ended and (data := await socket.read(fd)) is not None:
            replies = await answer(requests.feed(data))
            if requests.problem:
                replies.append(f"-ERR Protocol error: {requests.problem}")
            socket.write(fd, b"".join(map(encode, replies)))
            await socket.drain(fd)
    except skypy.SocketBroken:
        pass  # the client is gone, and the log says so
    finally:
        await socket.close(fd)


# -- commands ----------------------------------------------------------------------------------------------------------


async def answer(commands: list[list[bytes]]) -> list[Reply]:
    """Return the replies to some commands, in their order."""
    asked = [command for command in commands if command[0].upper() not in ANSWERED_HERE]
    answers = iter(await ask_store(asked)) if asked else iter(())
    return [reply_to(*command) if command[0].upper() in ANSWERED_HERE else next(answers) for command in commands]


async def ask_store(commands: list[list[bytes]]) -> list[Reply]:
    """Return the store's replies to some commands, or an error for each if the store dies meanwhile.

    A store that has died with its worker is started again: `uniqueservice` never returns one that is known to be dead.
    """
    try:
        replies: list[Reply] = await skypy.call(await skypy.uniqueservice("redis/store"), "run", commands)
    except skypy.ActorDead as error:
        return [f"-ERR {error}"] * len(commands)
    return replies


def reply_to(name: bytes, *arguments: bytes) -> Reply:
    """Return the reply to a command that has nothing to do with keys."""
    name = name.upper()
    match name, [arguments[0].upper(), *arguments[1:]] if arguments else []:
        case b"PING", []:
            return "+PONG"
        case b"PING" | b"ECHO", [_]:
            return arguments[0]
        case b"SELECT", [number]:
            return "+OK" if number == b"0" else "-ERR DB index is out of range"
        case b"COMMAND", _:
            return []
        case b"CONFIG", [b"GET", *names]:
            return [part for name in names if name in SETTINGS for part in (name, SETTINGS[name])]
        case b"INFO", _:
            return INFO
        case b"CLIENT", [b"GETNAME"]:
            return None
        case b"QUIT" | b"CLIENT", _:
            return "+OK"
    return f"-ERR wrong number of arguments for '{name.decode().lower()}' command"


# -- the protocol ------------------------------------------------------------------------------------------------------


def encode(reply: Reply) -> bytes:
    """Return a reply in the protocol's form."""
    match reply:
        case None:
            return b"$-1\r\n"
        case bytes():
            return b"$%d\r\n%b\r\n" % (len(reply), reply)
        case int():
            return b":%d\r\n" % reply
        case str():
            return reply.encode() + b"\r\n"
    return b"*%d\r\n%b" % (len(reply), b"".join(map(encode, reply)))


class Requests:
    """The bytes of a client, cut into commands: lists of words, or words on a line."""

    def __init__(self) -> None:
        self.ended = False
        """True after QUIT, or once the client has broken the protocol: bytes that follow are dropped."""
        self.problem = ""
        """A text for the client that has broken the protocol."""
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[list[bytes]]:
        """Add bytes, and return the commands that are complete with them."""
        if self._pending:
            self._pending += data
        buffer = self._pending or data
        commands: list[list[bytes]] = []
        used = 0
        try:
            while not self.ended and (found := next_command(buffer, used)):
                command, used = found
                if command:
                    commands.append(command)
                    self.ended = command[0].upper() == b"QUIT"
        except ValueError as error:
            self.problem = str(error)
            self.ended = True
        if self._pending:
            del self._pending[:used]
        else:
            self._pending += data[used:]
        return commands


def next_command(buffer: bytes | bytearray, start: int) -> tuple[list[bytes], int] | None:
    """Return the command that begins at `start` and the position of its end, None if it is not complete.

    Raises ValueError if the client breaks the protocol.
    """
    if not buffer.startswith(b"*", start):
        return words_on_line(buffer, start)
    header = number_at(buffer, start + 1, MOST_ARGUMENTS, "invalid multibulk length")
    if header is None:
        return None
    count, end = header
    words: list[bytes] = []
    for _ in range(count):
        if buffer[end : end + 1] not in (b"$", b""):
            raise ValueError(f"expected '$', got '{chr(buffer[end])}'")
        header = number_at(buffer, end + 1, LARGEST_ARGUMENT, "invalid bulk length")
        if header is None:
            return None
        size, begin = header
        end = begin + size + 2
        if end > len(buffer):
            return None
        words.append(bytes(buffer[begin : begin + size]))
    return words, end


def words_on_line(buffer: bytes | bytearray, start: int) -> tuple[list[bytes], int] | None:
    """Return a command in the form in which a person types it, and the position of its end, None if it is not complete.

    Raises ValueError if it is too long.
    """
    end = buffer.find(b"\n", start)
    if end >= 0:
        return bytes(buffer[start:end]).split(), end + 1
    if len(buffer) - start > LONGEST_LINE:
        raise ValueError("too big inline request")
    return None


def number_at(buffer: bytes | bytearray, start: int, largest: int, problem: str) -> tuple[int, int] | None:
    """Return the number on the line at `start` and the position of the next line, None if the line is not complete.

    Raises ValueError with the text `problem` if it is not a number, or larger than `largest`.
    """
    end = buffer.find(b"\r\n", start)
    if end < 0 and len(buffer) - start <= LONGEST_LINE:
        return None
    digits = buffer[start:end]
    if not digits.isdigit() or int(digits) > largest:
        raise ValueError(problem)
    return int(digits), end + 2
