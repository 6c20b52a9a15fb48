"""What a message between actors may carry, checked where it is sent.

None, bool, int (64 bits), float, str, bytes (bytearray, memoryview), list, tuple, dict, aware datetime, and what
`register_type` teaches. Subclasses arrive as their base, tuples as lists. The receiver gets its own copy.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, TypeVar

from skypy.core.codec import ValueCodec

T = TypeVar("T")

DEEPEST: Final = 64
"""Containers in containers; what is nested deeper is a mistake or an attack."""
_KEYS: Final = (str, int, float, bytes, bool, type(None), datetime)
SCALARS: Final = frozenset({type(None), bool, int, float, str, bytes})
"""Exactly these types cannot be changed and arrive as they were sent: inside a process they need no copy."""
_LARGEST: Final = (1 << 64) - 1
_SMALLEST: Final = -(1 << 63)

_codec: Final = ValueCodec()


def pack_value(value: Any) -> bytes:
    """The bytes of a value.

    Raises TypeError for what no message carries, ValueError for depth, cycles and large ints.
    """
    if value.__class__ not in SCALARS:
        _check(value, 0)
    try:
        return _codec.pack(value)
    except OverflowError:
        raise ValueError("an int in a message has at most 64 bits") from None


def unpack_value(data: bytes) -> Any:
    """The opposite of `pack_value`. Raises MalformedFrame."""
    return _codec.unpack(data)


def copy_value(value: Any) -> Any:
    """What the receiver gets: the value itself when nobody can tell the difference, else a copy by packing."""
    cls = value.__class__
    if cls is str:
        if value.isascii():  # others may hold what UTF-8 cannot say
            return value
    elif cls is int:
        if _SMALLEST <= value <= _LARGEST:
            return value
    elif cls in SCALARS:
        return value
    return _codec.unpack(pack_value(value))


def register_type(cls: type[T], code: int, pack: Callable[[T], bytes], unpack: Callable[[bytes], T]) -> None:
    """Teach messages a class: `pack(value)` gives bytes, `unpack(bytes)` the value again; `code` is from 0 to 127.

    Every worker that sends or receives it must have registered it, so a module that all import is the place.
    Raises ValueError for a code that is taken by another class.
    """
    _codec.register(cls, code, pack, unpack)


def _check(value: Any, depth: int) -> None:
    """Containers alone are looked into; what they hold besides is the codec's to judge."""
    if depth > DEEPEST:
        raise ValueError(f"a message holds containers nested more than {DEEPEST} deep (or one that holds itself)")
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, _KEYS):
                raise TypeError(f"a {type(key).__name__} cannot be a key of a dict in a message")
            if item.__class__ not in SCALARS:
                _check(item, depth + 1)
    elif isinstance(value, list | tuple):
        for item in value:
            if item.__class__ not in SCALARS:
                _check(item, depth + 1)
