"""An actor whose process may die, or that waits for one that may."""

import asyncio
import os
import signal
from typing import Any

import skypy
from tests.actors.scenarios import here

gate = asyncio.Event()
outcomes: "list[asyncio.Task[Any]]" = []
received: list[Any] = []
waiting: list[int] = []
stuck = [False]


@skypy.stop
async def bye() -> None:
    if stuck[0]:
        await asyncio.Event().wait()


@skypy.command
def get_stuck_in_the_end() -> None:
    stuck[0] = True


@skypy.command
def who() -> int:
    return skypy.self()


@skypy.command
async def never() -> None:
    await asyncio.Event().wait()


@skypy.command
async def pass_gate(length: int) -> str:
    """Return a number of characters, once the gate is open."""
    waiting.append(length)
    await gate.wait()
    waiting.pop()
    return "x" * length


@skypy.command
def how_many_wait() -> int:
    return len(waiting)


@skypy.command
async def relay(address: int, command: str) -> Any:
    return await skypy.call(address, command)


@skypy.command
def open_gate() -> None:
    gate.set()


@skypy.command
def take(name: str) -> None:
    skypy.register(name)


@skypy.command
def keep(value: Any) -> None:
    received.append(value)


@skypy.command
def forget(value: Any) -> None:
    """Take a value and do nothing with it."""


@skypy.command
def what_was_received(first: int | None = None) -> list[Any]:
    """Return all of it, or of each the first items."""
    return [value[:first] for value in received] if first else received


@skypy.command
def ask(address: int, command: str, count: int, *args: Any) -> None:
    """Make calls, and keep their outcomes."""
    outcomes.extend(asyncio.create_task(skypy.call(address, command, *args)) for _ in range(count))


@skypy.command
async def results() -> list[str]:
    """Return the outcomes of the calls: the length of a result, or the error."""
    answers = await asyncio.gather(*outcomes, return_exceptions=True)
    outcomes.clear()
    return [repr(one) if isinstance(one, BaseException) else str(len(one)) for one in answers]


@skypy.command
def sessions() -> int:
    return len(here().sessions)


@skypy.command
def exit_process(status: int) -> None:
    os._exit(status)


@skypy.command
async def exit_process_later(status: int) -> None:
    await skypy.sleep(0)
    os._exit(status)


@skypy.command
def crash() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)
