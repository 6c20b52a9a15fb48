"""Mailboxes are bounded: a sender of more than an actor's mailbox holds is told, and nothing is lost."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import skypy
from skypy.core.address import format_address
from tests.actors.scenarios import Others, outcome
from tests.actors.scenarios import play as play_scenario

MAILBOX_BYTES = 67108864
MORE_THAN_FITS = 2_000_000
MEGABYTE = 1_000_000
received: list[Any] = []


@skypy.command
async def play(name: str, placement: str) -> dict[str, Any]:
    return await play_scenario(__name__, name, placement)


@skypy.command
def keep(value: Any, *rest: Any) -> None:
    received.append(value)


@skypy.command
def forget(value: Any) -> None:
    """Take a value and do nothing with it."""


@skypy.command
def what_was_received() -> list[Any]:
    return received


@skypy.command
def make(kind: str) -> Any:
    """Return a megabyte, or 60 KB that need no packing."""
    return "x" * MEGABYTE if kind == "large" else b"x" * 60_000


def flood(send: Callable[[int], bool]) -> tuple[int, str]:
    """Send numbers until it is too much; return how many were accepted, and the text of the error."""
    for number in range(MORE_THAN_FITS):
        try:
            assert send(number)
        except skypy.MailboxFull as error:
            return number, str(error)
    raise AssertionError("there is no end")


async def when_there_is_room(target: int, command: str, *args: Any) -> Any:
    """Return the reply to a call, which is made again for as long as the mailbox is full."""
    while True:
        try:
            return await skypy.call(target, command, *args)
        except skypy.MailboxFull:
            await skypy.sleep(0)


async def holds(others: Others, at_most: int, *rest: Any, megabytes_before: int = 0) -> None:
    """A flood of messages is refused at some point, what was accepted arrives in order, and there is room again."""
    target, bystander = await others.start("mailboxes"), await others.start("mailboxes")
    for _ in range(megabytes_before):
        assert skypy.send(target, "forget", "x" * MEGABYTE)
    accepted, text = flood(lambda number: skypy.send(target, "keep", number, *rest))
    assert 0 < accepted <= at_most, accepted
    whom = f"wait for actor {format_address(target)}" if others.together else "are under way to worker process 2"
    assert text == f"{MAILBOX_BYTES} bytes {whom}"
    assert await outcome(skypy.call(target, "keep", MORE_THAN_FITS, *rest)) == f"MailboxFull: {text}"
    assert await skypy.call(bystander, "what_was_received") == []
    assert await when_there_is_room(target, "what_was_received") == list(range(accepted))
    assert await when_there_is_room(target, "keep", accepted, *rest) is None


async def test_small_messages_fill_what_is_left_of_a_mailbox(others: Others) -> None:
    await holds(others, (MAILBOX_BYTES - 64 * MEGABYTE) // 256 + 2000, megabytes_before=64)


async def test_long_messages_fill_a_mailbox(others: Others) -> None:
    await holds(others, MAILBOX_BYTES // MEGABYTE, "x" * MEGABYTE)


async def test_long_scalars_that_need_no_packing_fill_a_mailbox(others: Others) -> None:
    await holds(others, MAILBOX_BYTES // 60_000 + 1001, "x" * 60_000)


async def test_structures_fill_a_mailbox(others: Others) -> None:
    await holds(others, MAILBOX_BYTES // 100_000, {"data": [b"x" * 50_000] * 2})


async def test_a_full_mailbox_concerns_no_other_actor(others: Others) -> None:
    others.together = True  # which workers share their way to
    target, bystander = await others.start("mailboxes"), await others.start("mailboxes")
    flood(lambda number: skypy.send(target, "keep", number, "x" * MEGABYTE))
    assert skypy.send(bystander, "keep", 1, "x" * MEGABYTE)
    assert await skypy.call(bystander, "what_was_received") == [1]


async def test_a_mailbox_is_emptied_by_death(others: Others) -> None:
    others.together = True
    target, heir = await others.start("mailboxes"), await others.start("mailboxes")
    accepted, _ = flood(lambda number: skypy.send(target, "keep", number, "x" * MEGABYTE))
    await skypy.kill(target)
    assert not skypy.send(target, "keep", 0)
    assert flood(lambda number: skypy.send(heir, "keep", number, "x" * MEGABYTE))[0] == accepted


async def test_replies_that_are_too_much_become_errors(others: Others) -> None:
    callee = await others.start("mailboxes")
    replies = await asyncio.gather(*(skypy.call(callee, "make", "large") for _ in range(120)), return_exceptions=True)
    kinds = Counter(type(reply).__name__ for reply in replies)
    assert sum(kinds.values()) == 120
    assert kinds["str"] > 50
    for reply in replies:
        assert isinstance(reply, str) or (isinstance(reply, skypy.RemoteError) and reply.type_name == "MailboxFull")
    assert kinds["RemoteError"] or not others.together  # another worker may make room in time


async def test_many_replies_that_need_no_packing_are_bounded_as_well(others: Others) -> None:
    callee = await others.start("mailboxes")
    replies = await asyncio.gather(*(skypy.call(callee, "make", "medium") for _ in range(2300)), return_exceptions=True)
    for reply in replies:
        assert isinstance(reply, bytes) or (isinstance(reply, skypy.RemoteError) and reply.type_name == "MailboxFull")
    assert len(await when_there_is_room(callee, "make", "medium")) == 60_000


@skypy.command
def compute_until_answered() -> None:
    """Hold the worker for a moment, again and again, until the answer of another actor has been handled."""
    time.sleep(0.02)
    if not received:
        skypy.send(skypy.self(), "compute_until_answered")


@skypy.command
async def ask_and_compute(other: int) -> None:
    skypy.fork(skypy.call, other, "ask_back", skypy.self())
    skypy.send(skypy.self(), "compute_until_answered")


@skypy.command
def ask_back(address: int) -> None:
    skypy.send(address, "keep", "answer")


async def test_handlers_that_compute_do_not_hold_back_what_was_sent(others: Others) -> None:
    """A turn ends although messages are left: otherwise a thousand of these would be handled first, which is 20 s."""
    one, two = await others.start("mailboxes"), await others.start("mailboxes")
    await skypy.call(one, "ask_and_compute", two)
    while await skypy.call(one, "what_was_received") != ["answer"]:
        pass
