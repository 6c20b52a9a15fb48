"""Classes that messages are taught to carry: a module that every worker imports."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple, NoReturn

import skypy


@dataclass(frozen=True)
class Point:
    """An ordinary class."""

    x: int
    y: int


class Derived(Point):
    """A subclass of a registered class: it arrives as its base."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Point) and (self.x, self.y) == (other.x, other.y)

    __hash__ = None  # type: ignore[assignment]


class Place(NamedTuple):
    """A tuple that, not registered, would arrive as a list."""

    x: int
    y: int


class Unit(IntEnum):
    """An int that, not registered, would arrive as a plain int."""

    METRE = 1


class Broken:
    """A class that can be packed and not be unpacked."""


class Unpackable:
    """A class that cannot be packed."""


@dataclass
class Late:
    """A class that a service registers; it is here for its senders."""

    number: int


def pack_pair(value: Any) -> bytes:
    return f"{value.x} {value.y}".encode()


def unpack_point(data: bytes) -> Point:
    return Point(*map(int, data.split()))


def unpack_place(data: bytes) -> Place:
    return Place(*map(int, data.split()))


def fail_to_unpack(data: bytes) -> NoReturn:
    raise LookupError("it is broken")


def fail_to_pack(value: object) -> NoReturn:
    raise ValueError("it cannot be packed")


skypy.register_type(Point, 1, pack_pair, unpack_point)
skypy.register_type(Place, 2, pack_pair, unpack_place)
skypy.register_type(Unit, 3, lambda unit: bytes([unit]), lambda data: Unit(data[0]))
skypy.register_type(Broken, 4, lambda _: b"", fail_to_unpack)
skypy.register_type(Unpackable, 5, fail_to_pack, lambda _: Unpackable())
