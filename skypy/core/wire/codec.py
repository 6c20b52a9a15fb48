"""Values ↔ bytes. The only importer of msgpack; pickle is used nowhere, so bytes from outside can never run code."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import msgpack

from skypy.core.errors import MalformedFrame

_pack = msgpack.Packer(use_bin_type=True, autoreset=True).pack
_unpack = msgpack.unpackb

FOREIGN: Final = (msgpack.ExtType, msgpack.Timestamp)
"""What msgpack would carry and messages do not."""


def pack(value: Any) -> bytes:
    """Plain values (None, bool, int, float, str, bytes, lists, tuples, dicts) to bytes."""
    packed: bytes = _pack(value)
    return packed


def unpack(data: bytes | memoryview) -> Any:
    """The opposite of `pack`; tuples come back as lists. Raises MalformedFrame: every frame is untrusted until then."""
    try:
        return _unpack(data, raw=False, strict_map_key=False)
    except (ValueError, TypeError, RecursionError, OverflowError) as error:
        raise MalformedFrame(f"{len(data)} bytes are no message: {error!r}") from error


class ValueCodec:
    """Users' values ↔ bytes: aware datetimes and registered classes besides the plain ones."""

    def __init__(self) -> None:
        self._packers: dict[type, tuple[int, Callable[[Any], bytes]]] = {}
        self._unpackers: dict[int, tuple[type, Callable[[bytes], Any]]] = {}
        self._pack = msgpack.Packer(strict_types=True, datetime=True, default=self._pack_other).pack

    def register(self, cls: type, code: int, pack: Callable[[Any], bytes], unpack: Callable[[bytes], Any]) -> None:
        """Teach a class. Raises ValueError for a code out of range, or taken by another class."""
        if not 0 <= code <= 127:
            raise ValueError(f"{code} is no code for a type: it is a number from 0 to 127")
        known = self._unpackers.get(code)
        if known is not None and _source_name(known[0]) != _source_name(cls):
            raise ValueError(f"code {code} belongs to {_source_name(known[0])} already")
        self._packers[cls] = (code, pack)
        self._unpackers[code] = (cls, unpack)

    def knows(self, cls: type) -> bool:
        """Whether a class, or one that it is derived from, is registered."""
        return any(base in self._packers for base in cls.__mro__)

    def pack(self, value: Any) -> bytes:
        """Raises TypeError, ValueError for what cannot be packed."""
        packed: bytes = self._pack(value)
        return packed

    def unpack(self, data: bytes | memoryview) -> Any:
        """Raises MalformedFrame."""
        try:
            return _unpack(data, raw=False, strict_map_key=False, timestamp=3, ext_hook=self._unpack_registered)
        except (ValueError, TypeError, RecursionError, OverflowError) as error:
            raise MalformedFrame(f"{len(data)} bytes are no value: {error!r}") from error

    def _pack_other(self, value: Any) -> Any:
        """What to pack for a value of no plain type: what its class was registered with, or the base that it has."""
        for cls in type(value).__mro__:
            if cls in self._packers:
                code, pack = self._packers[cls]
                return msgpack.ExtType(code, pack(value))
            if cls in _AS_PLAIN:
                return _AS_PLAIN[cls](value)
        raise TypeError(f"a message cannot carry {type(value).__module__}.{type(value).__qualname__}")

    def _unpack_registered(self, code: int, data: bytes) -> Any:
        known = self._unpackers.get(code)
        if known is None:
            raise ValueError(f"nobody has registered a type with code {code} in this worker")
        return known[1](data)


def _source_name(cls: type) -> str:
    """A class as its file has it: each instance of a service defines its own."""
    return f"{cls.__module__.partition('@')[0]}.{cls.__qualname__}"


def _plain_int(value: Any) -> int:  # of a parameter that is an int, compiled code forgets which class it has
    if type(value) is int:  # one that could be packed would not have come here
        raise ValueError("an int in a message has at most 64 bits")
    return int.__int__(value)


def _plain_datetime(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise TypeError("a datetime in a message has a time zone")
    return datetime.combine(value.date(), value.timetz())


_AS_PLAIN: dict[type, Callable[[Any], Any]] = {
    str: str.__str__,
    int: _plain_int,
    float: float.__float__,
    bytes: lambda value: bytes(memoryview(value)),
    bytearray: lambda value: bytes(memoryview(value)),
    list: list,
    tuple: list,
    dict: dict,
    datetime: _plain_datetime,
}
"""How a value of a subclass becomes one of its base; tuples become lists."""
