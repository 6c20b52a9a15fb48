"""A service that starts in every way."""

import asyncio
import builtins
from collections.abc import Awaitable, Callable
from typing import Any

import skypy
from skypy.core.address import format_address
from tests.actors.scenarios import variable

happened: list[str] = []
keeps: list[Any] = []
gate = asyncio.Event()


def who_sent() -> str:
    try:
        return str(skypy.source())
    except RuntimeError as error:
        return str(error)


in_body = [skypy.self(), format_address(skypy.self()), who_sent(), variable.get()]


@skypy.start
async def main(how: str = "", *args: Any) -> None:
    happened.append("start begins")
    starts: dict[str, Callable[..., Awaitable[None]]] = {
        "": nothing,
        "wait": wait,
        "keep": keep,
        "register and wait": register_and_wait,
        "register and raise": register_and_raise,
        "raise": fail,
        "raise kind": raise_kind,
        "exit": leave,
        "exit later": leave_later,
        "exit from a fork": leave_from_a_fork,
        "exit at the last moment": leave_at_the_last_moment,
    }
    await starts[how](*args)
    happened.append("start ends")


async def nothing() -> None: ...


async def wait(seconds: float) -> None:
    await skypy.sleep(seconds)


async def keep(*args: Any) -> None:
    keeps.extend(args)


async def register_and_wait(name: str) -> None:
    skypy.register(name)
    await gate.wait()


async def register_and_raise(name: str) -> None:
    skypy.register(name)
    raise ValueError("asked to raise")


async def fail() -> None:
    raise ValueError("asked to raise")


async def raise_kind(kind: str, moment: str) -> None:
    if moment == "later":
        await skypy.sleep(0)
    raise getattr(builtins, kind, asyncio.CancelledError)(3)


async def leave() -> None:
    skypy.exit()


async def leave_later() -> None:
    await skypy.sleep(0)
    skypy.exit()


async def leave_from_a_fork() -> None:
    skypy.fork(skypy.exit)
    await asyncio.Event().wait()


async def leave_at_the_last_moment() -> None:
    skypy.fork(skypy.exit)
    await skypy.sleep(0)


@skypy.command
def go_on() -> None:
    happened.append("go on")
    gate.set()


@skypy.command
def events() -> list[str]:
    return happened


@skypy.command
def names() -> list[str]:
    return [__name__, main.__module__]


@skypy.command
def kept() -> list[Any]:
    return keeps


@skypy.command
def spoil() -> None:
    keeps[0].append("spoilt")


@skypy.command
def body() -> list[Any]:
    return in_body


@skypy.command
def variable_now() -> str:
    return variable.get()
