"""The values that a message between actors may carry, checked where it is sent.

None, bool, int (64 bits), float, str, bytes (bytearray, memoryview), list, tuple, dict, aware datetime, and classes
that `register_type` has taught. Subclasses arrive as their base, tuples as lists, datetimes in UTC. The receiver gets
a copy of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from skypy.core.wire.codec import FOREIGN, ValueCodec

T = TypeVar("T")

DEEPEST: Final = 64
"""The levels of containers in containers; deeper nesting is a mistake or an attack."""
LARGEST_BYTES: Final = 60_000_000
"""The limit of a packed message. It fits into the bytes that may be under way to a worker, beside those for which no
receipt has come."""
_KEYS: Final = (str, int, float, bytes, bool, type(None), datetime)
SCALARS: Final = frozenset({type(None), bool, int, float, str, bytes})
"""The types whose values cannot be changed and arrive as they were sent. Their subclasses are not among them."""
_SIZED: Final = frozenset({str, bytes})
_CONTAINERS: Final = frozenset({dict, list, tuple})
_LONGEST_SHARED: Final = 65536
_LARGEST_INT: Final = (1 << 64) - 1
_SMALLEST_INT: Final = -(1 << 63)

_codec: Final = ValueCodec()


def pack_value(value: Any) -> bytes:
    """Return the bytes of a value.

    Raises TypeError for a value that no message carries, ValueError for depth, cycles, large ints and too many bytes.
    """
    if value.__class__ not in SCALARS:
        _check(value, 1)
    return _pack(value)


def pack_arguments(args: Sequence[Any], kwargs: Mapping[str, Any]) -> bytes:
    """Return the bytes of a request's values, each of which may be nested as deeply as a single value.

    Raises as `pack_value` does.
    """
    for value in (*args, *kwargs.values()):
        if value.__class__ not in SCALARS:
            _check(value, 1)
    return _pack([list(args), kwargs])


def unpack_value(data: bytes) -> Any:
    """Return the value that `pack_value` has packed. Raises MalformedFrame; `unpack` of a class may raise more."""
    return _codec.unpack(data)


def unpack_arguments(data: bytes) -> tuple[list[Any], dict[str, Any]]:
    """Return the values that `pack_arguments` has packed. Raises as `unpack_value` does."""
    args, kwargs = _codec.unpack(data)
    return args, kwargs


def may_be_shared(value: Any) -> bool:
    """Return True if inside a process the value is as good as the copy that packing makes."""
    cls = value.__class__
    if cls is str:  # a text that is not ASCII may have surrogates, which UTF-8 cannot express
        return len(value) <= _LONGEST_SHARED and bool(value.isascii())
    if cls is int:
        return bool(_SMALLEST_INT <= value <= _LARGEST_INT)
    if cls is bytes:
        return len(value) <= _LONGEST_SHARED
    return cls in SCALARS


def may_all_be_shared(args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Return True if all values of a request, and the names of its keyword arguments, may be shared."""
    for value in args:
        if (value.__class__ is not int or not _SMALLEST_INT <= value <= _LARGEST_INT) and not may_be_shared(value):
            return False
    return not kwargs or (all(map(may_be_shared, kwargs)) and all(map(may_be_shared, kwargs.values())))


def shared_bytes(values: Iterable[Any]) -> int:
    """Return the number of bytes and characters in values that may all be shared; -1 when one may not."""
    size = 0
    for value in values:
        if not may_be_shared(value):
            return -1
        if value.__class__ in _SIZED:
            size += len(value)
    return size


def register_type(cls: type[T], code: int, pack: Callable[[T], bytes], unpack: Callable[[bytes], T]) -> None:
    """Teach messages a class: `pack(value)` gives bytes, `unpack(bytes)` the value again; `code` is from 0 to 127.

    Every worker that sends or receives the class must have registered it: do so in a module that all services import.
    Raises ValueError for a code that is taken by another class.
    """
    _codec.register(cls, code, pack, unpack)


def _pack(value: Any) -> bytes:
    try:
        packed = _codec.pack(value)
    except BufferError as error:  # of a memoryview
        raise ValueError(str(error)) from None
    if len(packed) > LARGEST_BYTES:
        raise ValueError(f"{len(packed)} bytes are too many for a message: it has at most {LARGEST_BYTES}")
    return packed


def _check(value: Any, depth: int) -> None:
    """Check containers, and values that packing would accept though it should not; the codec judges the rest."""
    if depth > DEEPEST:
        raise ValueError(f"a message holds containers nested more than {DEEPEST} deep (or one that holds itself)")
    if type(value) not in _CONTAINERS and _codec.knows(type(value)):
        return
    if isinstance(value, dict):
        for key, item in value.items():
            if key.__class__ is not str:
                _check_key(key)
            if item.__class__ not in SCALARS:
                _check(item, depth + 1)
    elif isinstance(value, list | tuple) and type(value) not in FOREIGN:
        for item in value:
            if item.__class__ not in SCALARS:
                _check(item, depth + 1)
    else:
        _check_other(value)


def _check_other(value: Any) -> None:
    if isinstance(value, datetime):
        _check_datetime(value)
    elif type(value) in FOREIGN:
        raise TypeError(f"a message cannot carry {type(value).__module__}.{type(value).__qualname__}")


def _check_key(key: Any) -> None:
    if not isinstance(key, _KEYS) or _codec.knows(type(key)):
        raise TypeError(f"a {type(key).__name__} cannot be a key of a dict in a message")
    if isinstance(key, datetime):
        _check_datetime(key)


def _check_datetime(value: datetime) -> None:
    """Check a datetime, which arrives in UTC and may be out of range there."""
    if value.utcoffset() is None:
        raise TypeError("a datetime in a message has a time zone")
    try:
        value.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{value} is out of range in UTC") from None
