"""Messages between actors: calls in one worker and across workers, sends."""

from __future__ import annotations

from benchmarks.actor_programs import FEW_ACTORS, contenders, growth
from benchmarks.model import Case

ONE_PROCESS = "skypy, skypy compiled, skynet, asyncio Queue, uvloop Queue, Pykka, xoscar, Erlang"

ACROSS = "skypy, skypy sleeping, skypy compiled, skynet, xoscar, Erlang, Thespian, Ray"


def call(handler: str, width: int, aims: dict[str, float]) -> Case:
    return Case(
        f"call-{handler}-{width}",
        f"request and reply between two actors of one worker, {handler} handler, {width} outstanding",
        "calls/s",
        "higher",
        contenders(f"call-{handler}", width, ONE_PROCESS),
        aims,
        quick=width == 1,
        long=width > 1,
        guarded_by="asyncio Queue" if width == 1 else None,
    )


def across(width: int, aims: dict[str, float]) -> Case:
    return Case(
        f"call-across-{width}",
        f"request and reply between actors of two workers, {width} outstanding",
        "calls/s",
        "higher",
        contenders(
            "call-across", width, "skypy, skypy sleeping, skypy compiled, skynet, xoscar, Erlang, Thespian, Ray"
        ),
        aims,
    )


def send(senders: int) -> Case:
    return Case(
        f"send-{senders}-to-1",
        f"one-way messages in one worker, {senders} actors to one; now and then a call keeps the mailbox short",
        "messages/s",
        "higher",
        contenders("send", senders, ONE_PROCESS if senders == 1 else "skypy, skynet, asyncio Queue, xoscar"),
        {"skynet": 1},
        quick=senders == 1,
        guarded_by="asyncio Queue",
    )


CASES = (
    call("plain", 1, {"skynet": 1.5, "asyncio Queue": 3, "Pykka": 8, "xoscar": 2}),
    call("coroutine", 1, {"skynet": 1.0, "asyncio Queue": 3, "Pykka": 8, "xoscar": 2}),
    call("plain", 50, {"skynet": 1.5, "asyncio Queue": 3, "Pykka": 8, "xoscar": 2}),
    call("coroutine", 50, {"skynet": 1.0, "asyncio Queue": 3, "Pykka": 8, "xoscar": 2}),
    across(1, {"skypy sleeping": 3, "xoscar": 1, "Thespian": 1, "Ray": 1}),
    across(50, {"xoscar": 20}),
    across(500, {"skynet": 1}),
    send(1),
    send(100),
    Case(
        "growth-actors",
        f"what a call costs with 10,000 actors that are called in turn, beside what it costs with {FEW_ACTORS}",
        "x",
        "lower",
        contenders("call-in-turn", 10_000, "skypy, skynet, asyncio Queue, xoscar, Erlang", growth),
        {"skynet": 1, "asyncio Queue": 1, "xoscar": 1, "Erlang": 1},
        long=True,
    ),
)
