"""One of many actors that call each other while workers die; it knows the outcome of each of its calls."""

import asyncio
import os
import random
from collections import Counter

import skypy
from tests.actors.scenarios import here

AT_ONCE = 20
ONE_IN = 100

handled: set[tuple[int, int]] = set()
calls_made = 0


@skypy.command
def echo(number: int) -> int:
    _only_once(number)
    return number


@skypy.command
async def echo_late(number: int) -> int:
    _only_once(number)
    await skypy.sleep(0.005)
    return number


@skypy.command
def fail(number: int) -> None:
    _only_once(number)
    raise LookupError(str(number))


def _only_once(number: int) -> None:
    call = (skypy.source(), number)
    if call in handled:
        raise AssertionError(f"call {call} has come twice")
    handled.add(call)


@skypy.command
async def make_calls(count: int, peers: list[int]) -> Counter[str]:
    """Make a number of calls to random peers, some at a time; return the number of calls by outcome."""
    outcomes: Counter[str] = Counter()
    for _ in range(count // AT_ONCE):
        outcomes.update(await asyncio.gather(*(_make_call(random.choice(peers)) for _ in range(AT_ONCE))))
    return outcomes


async def _make_call(peer: int) -> str:
    global calls_made
    calls_made += 1
    number = calls_made
    command = {0: "fail", 1: "echo_late"}.get(random.randrange(ONE_IN), "echo")
    try:
        async with asyncio.timeout(0.001 if command == "echo_late" else None):
            reply = await skypy.call(peer, command, number)
    except TimeoutError:
        return "time limit" if command == "echo_late" else "time limit that nobody has set"
    except skypy.ActorDead as error:
        return "dead" if error.address == peer else "another one is dead"
    except skypy.RemoteError as error:
        is_own = (command, error.type_name, error.text) == ("fail", "LookupError", str(number))
        return "raised" if is_own else str(error)
    return "returned" if reply == number and command != "fail" else f"{command} {number} returned {reply}"


@skypy.command
def pid() -> int:
    return os.getpid()


@skypy.command
async def sessions() -> int:
    """Return the number of this worker's calls in flight."""
    return len(here().sessions)
