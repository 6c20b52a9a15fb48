"""The keys and their values: runs batches of commands for the agents."""

import fnmatch
import re
from typing import Any, Final

import skypy

COMMANDS: Final = frozenset(
    {b"GET", b"SET", b"DEL", b"EXISTS", b"INCR", b"DECR", b"INCRBY", b"DECRBY", b"MGET", b"KEYS", b"FLUSHDB"}
)
NUMBER: Final = re.compile(rb"0|-?[1-9][0-9]{0,18}")
NO_NUMBER: Final = "-ERR value is not an integer or out of range"
SMALLEST, LARGEST = -(1 << 63), (1 << 63) - 1

data: dict[bytes, bytes] = {}


@skypy.command
def run(commands: list[list[bytes]]) -> list[Any]:
    """Run some commands, each a list of words, and return their replies.

    A reply is an int, bytes, None, a list of them, or a str, which is a line of the protocol: "+OK" or "-ERR ...".
    """
    return [execute(name.upper(), arguments) for name, *arguments in commands]


def execute(name: bytes, arguments: list[bytes]) -> Any:  # noqa: C901 - one case for each command
    """Run one command, with its name in capitals, and return its reply."""
    match name, arguments:
        case b"GET", [key]:
            return data.get(key)
        case b"SET", [key, value]:
            data[key] = value
            return "+OK"
        case b"SET", [_, _, _, *_]:
            return "-ERR syntax error"
        case b"INCR", [key]:
            return add(key, 1)
        case b"DECR", [key]:
            return add(key, -1)
        case b"INCRBY" | b"DECRBY", [key, amount]:
            if not NUMBER.fullmatch(amount):
                return NO_NUMBER
            return add(key, int(amount) if name == b"INCRBY" else -int(amount))
        case b"MGET", [_, *_]:
            return [data.get(key) for key in arguments]
        case b"DEL", [_, *_]:
            return sum(data.pop(key, None) is not None for key in arguments)
        case b"EXISTS", [_, *_]:
            return sum(key in data for key in arguments)
        case b"KEYS", [pattern]:
            return [key for key in data if matches(key, pattern)]
        case b"FLUSHDB", _:
            data.clear()
            return "+OK"
    shown = name.decode("ascii", "backslashreplace")
    if name in COMMANDS:
        return f"-ERR wrong number of arguments for '{shown.lower()}' command"
    return f"-ERR unknown command {shown!r}"


def add(key: bytes, amount: int) -> int | str:
    """Add to the number of a key, which begins at 0; return the sum or an error."""
    text = data.get(key, b"0")
    if not NUMBER.fullmatch(text):
        return NO_NUMBER
    number = int(text) + amount
    if not SMALLEST <= number <= LARGEST:
        return "-ERR increment or decrement would overflow"
    data[key] = b"%d" % number
    return number


def matches(key: bytes, pattern: bytes) -> bool:
    """Return True if a key fits a pattern with *, ? and [...]."""
    return fnmatch.fnmatchcase(key, pattern.replace(b"[^", b"[!"))
