"""Ordinary code of a module: each part says in the log that it works."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import logging
import pickle
import sys
import typing
import warnings
from collections.abc import Callable

import pydantic

import skypy

log = logging.getLogger(__name__)
started = 0


class Color(enum.Enum):
    RED = "red"


class Flag(enum.IntFlag):
    LOUD = enum.auto()
    FAST = enum.auto()


@dataclasses.dataclass(frozen=True, order=True)
class Point:
    x: int
    scale: dataclasses.InitVar[int]  # these two are found by the module's name when annotations are strings
    origin: typing.ClassVar[Point]
    y: int = 0
    color: Color = Color.RED

    def __post_init__(self, scale: int) -> None:
        object.__setattr__(self, "x", self.x * scale)


class Pair(typing.NamedTuple):
    left: Point
    right: Point | None


class Tree(pydantic.BaseModel):
    name: str
    color: Color = Color.RED
    children: list[Tree] = []


@skypy.start
async def main(*arguments: str) -> None:
    global started
    started += 1
    log.info("started %d time with %s", started, arguments)
    for check in (data_classes, hints, models, pickles, sources, loggers):
        check(log.info)
    print("printed", "line")
    print("printed to stderr", file=sys.stderr)
    sys.stdout.write("half a line, ")
    sys.stdout.write("the other half\n")
    warnings.warn("this is odd", stacklevel=1)
    log.warning("two\nlines and a \x1b[31mred one")
    skypy.log.info("name %s, module there: %s", __name__, sys.modules[__name__].main is main)


def data_classes(say: Callable[..., None]) -> None:
    say("fields %s", [field.name for field in dataclasses.fields(Point)])
    say("point %r", dataclasses.replace(Point(1, scale=3), y=2, scale=1))
    say("flags %r", Flag.LOUD | Flag.FAST)


def hints(say: Callable[..., None]) -> None:
    say("hints %s", typing.get_type_hints(Pair)["right"] == Point | None)


def models(say: Callable[..., None]) -> None:
    tree = Tree.model_validate_json('{"name": "a", "color": "red", "children": [{"name": "b"}]}')
    say("model %s", tree.model_dump_json())


def pickles(say: Callable[..., None]) -> None:
    values = (Point(1, scale=3), Color.RED, Flag.FAST, Pair(Point(1, scale=1), None), Tree(name="a"), models)
    say("pickled %s", pickle.loads(pickle.dumps(values)) == values)


def sources(say: Callable[..., None]) -> None:
    say("source %s", inspect.getsource(hints).splitlines()[0])
    say("module %s", inspect.getmodule(Point).__name__)  # type: ignore[union-attr]


def loggers(say: Callable[..., None]) -> None:
    logging.getLogger("a_library").info("a library speaks")
    logging.info("the root logger speaks")
    log.debug("not heard")
