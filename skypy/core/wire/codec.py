"""Values to bytes and back. The only importer of msgpack; no pickle, so that bytes from outside can never run code."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import msgpack

from skypy.core.errors import MalformedFrame

_pack = msgpack.Packer(use_bin_type=True, autoreset=True).pack
_unpack = msgpack.unpackb
_SURROGATES: Final = "surrogatepass"
"""Texts that UTF-8 cannot express, like the name of a file that is no text, travel by Python's extension of UTF-8."""
_pack_any_text = msgpack.Packer(use_bin_type=True, autoreset=True, unicode_errors=_SURROGATES).pack

FOREIGN: Final = (msgpack.ExtType, msgpack.Timestamp)
"""Types that msgpack would carry and messages do not."""


def pack(value: Any) -> bytes:
    """Return plain values (None, bool, int, float, str, bytes, lists, tuples, dicts) as bytes."""
    try:
        packed: bytes = _pack(value)
    except UnicodeEncodeError:
        packed = _pack_any_text(value)
    return packed


def unpack(data: bytes | memoryview) -> Any:
    """Return the values of packed bytes, with tuples as lists. Raises MalformedFrame for bytes that are not values."""
    try:
        try:
            return _unpack(data, raw=False, strict_map_key=False)
        except UnicodeDecodeError:
            return _unpack(data, raw=False, strict_map_key=False, unicode_errors=_SURROGATES)
    except (ValueError, TypeError, RecursionError, OverflowError) as error:
        raise MalformedFrame(f"{len(data)} bytes are not a message: {error!r}") from error


class ValueCodec:
    """Users' values to bytes and back: aware datetimes and registered classes besides the plain values."""

    def __init__(self) -> None:
        self._packers: dict[type, tuple[int, Callable[[Any], bytes]]] = {}
        self._unpackers: dict[int, tuple[type, Callable[[bytes], Any]]] = {}
        self._pack = msgpack.Packer(strict_types=True, datetime=True, default=self._pack_other).pack

    def register(self, cls: type, code: int, pack: Callable[[Any], bytes], unpack: Callable[[bytes], Any]) -> None:
        """Let instances of `cls` travel. Raises ValueError for a code that is out of range or has another class."""
        if not 0 <= code <= 127:
            raise ValueError(f"{code} cannot be the code of a type: a code is a number from 0 to 127")
        known = self._unpackers.get(code)
        if known is not None and _source_name(known[0]) != _source_name(cls):
            raise ValueError(f"code {code} belongs to {_source_name(known[0])} already")
        self._packers[cls] = (code, pack)
        self._unpackers[code] = (cls, unpack)

    def knows(self, cls: type) -> bool:
        """Return True if a class, or one of its bases, is registered."""
        return any(base in self._packers for base in cls.__mro__)

    def pack(self, value: Any) -> bytes:
        """Return a value as bytes. Raises TypeError, ValueError for a value that no message carries."""
        packed: bytes = self._pack(value)
        return packed

    def unpack(self, data: bytes | memoryview) -> Any:
        """Return the value of packed bytes. Raises MalformedFrame."""
        try:
            return _unpack(data, raw=False, strict_map_key=False, timestamp=3, ext_hook=self._unpack_registered)
        except (ValueError, TypeError, RecursionError, OverflowError) as error:
            raise MalformedFrame(f"{len(data)} bytes are not a value: {error!r}") from error

    def _pack_other(self, value: Any) -> Any:
        """Return a value of no plain type as its registered class says, or as its plain base."""
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
            raise ValueError(f"no type is registered with code {code} in this worker")
        return known[1](data)


def _source_name(cls: type) -> str:
    """Return the name of a class in its file: each instance of a service has a class object of its own."""
    return f"{cls.__module__.partition('@')[0]}.{cls.__qualname__}"


def _plain_int(value: Any) -> int:  # Any: compiled code would turn a parameter of type int into a plain one
    if type(value) is int:  # msgpack asks only about those that it cannot pack
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
"""The functions that turn a value of a subclass into one of its plain base; tuples become lists."""
