"""Values that messages carry, and values that they do not."""

import asyncio
from collections import deque
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from tests.actors import points


class Text(str):
    __slots__ = ()


class Number(int):
    pass


class Real(float):
    pass


class Raw(bytes):
    pass


class Color(Enum):
    RED = 1


class Level(IntEnum):
    HIGH = 3


class Pair(NamedTuple):
    left: int
    right: int


class Moment(datetime):
    pass


@dataclass
class Unregistered:
    x: int


EAST = timezone(timedelta(hours=2))
NOON = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=EAST)


def plain_values() -> list[tuple[str, Any]]:
    """Return values that arrive as they are."""
    return [
        ("none", None), ("true", True), ("false", False), ("zero", 0), ("largest", (1 << 64) - 1),
        ("smallest", -(1 << 63)), ("float", 2.5), ("infinity", float("-inf")), ("empty", ""),
        ("text", "ünï \U0001f600 \x00"),
        ("bytes", bytes(range(256))), ("list", [1, [2, [3, []]]]), ("dict", {"a": {"b": {"c": None}}}),
        ("keys", {1: "int", "1": "str", b"1": "bytes", 1.5: "float", None: "none", False: "bool"}),
        ("noon", NOON), ("before 1970", datetime(1, 1, 1, tzinfo=UTC)), ("the end", datetime.max.replace(tzinfo=UTC)),
        ("deep", nested(63)), ("long text", "x" * 1_000_000), ("long bytes", b"x" * 1_000_000),
    ]  # fmt: skip


def bad_values() -> list[tuple[str, Any]]:
    """Return values that no message carries."""
    circle: list[Any] = []
    circle.append(circle)
    ring: dict[str, Any] = {}
    ring["ring"] = [ring]
    return [
        ("object", object()), ("type", int), ("function", nested), ("set", {1}), ("frozenset", frozenset()),
        ("complex", 1j), ("decimal", Decimal(1)), ("fraction", Fraction(1)), ("path", Path()), ("date", date.today()),
        ("naive", datetime(2026, 1, 1)), ("enum", Color.RED), ("dataclass", Unregistered(1)), ("deque", deque([1])),
        ("iterator", iter([])), ("range", range(3)), ("exception", ValueError()), ("module", asyncio),
        ("inside", [1, {"a": [object()]}]), ("key", {(1, 2): 3}), ("frozen key", {frozenset(): 1}),
        ("too large", 1 << 64), ("too small", -(1 << 63) - 1), ("large inside", [1 << 64]), ("large key", {1 << 64: 1}),
        ("surrogate", "\ud800"), ("surrogate inside", ["\ud800"]), ("surrogate key", {"\ud800": 1}),
        ("circle", circle), ("ring", ring), ("too deep", nested(65)), ("strided", memoryview(b"abcd")[::2]),
        ("before time", datetime(1, 1, 1, tzinfo=EAST)), ("failing pack", points.Unpackable()),
    ]  # fmt: skip


def nested(depth: int) -> list[Any]:
    """Return lists in lists, `depth` levels of them."""
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value
