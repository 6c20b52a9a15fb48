"""The order of events, which is skynet's: the handler, then wakeups, then forks, then the next message."""

import asyncio
from typing import Any

import skypy
from tests.actors.scenarios import Others, passes, raises
from tests.actors.scenarios import play as play_scenario

happened: list[Any] = []


@skypy.command
async def play(name: str, placement: str) -> dict[str, Any]:
    return await play_scenario(__name__, name, placement)


@skypy.command
def note(event: Any) -> Any:
    happened.append(event)
    return event


@skypy.command
async def note_later(event: Any) -> Any:
    """Take the first step in the order of arrival, and wait for something afterwards."""
    happened.append(event)
    await skypy.sleep(0.001)
    return event


@skypy.command
def events() -> list[Any]:
    return happened


@skypy.command
async def wait_for(token: str) -> None:
    await skypy.wait(token)
    happened.append(f"woken {token}")


def forked(name: str, *more: str, wakes: str = "") -> None:
    happened.append(f"fork {name}")
    for one in more:
        skypy.fork(forked, one)
    if wakes:
        skypy.wakeup(wakes)


def cause_everything() -> None:
    """Fork before waking, to show that it does not matter."""
    happened.append("handler begins")
    skypy.fork(forked, "1", "1.1", wakes="c")
    skypy.fork(forked, "2")
    assert skypy.wakeup("a")
    assert skypy.wakeup("b")
    assert not skypy.wakeup("nobody")
    happened.append("handler ends")


EVERYTHING = [
    "handler begins", "handler ends", "woken a", "woken b", "fork 1", "woken c", "fork 2", "fork 1.1", "next", "last",
]  # fmt: skip


@skypy.command
def plain_handler() -> None:
    cause_everything()


@skypy.command
async def coroutine_handler() -> None:
    cause_everything()


@skypy.command
async def waiting_handler() -> None:
    cause_everything()
    await asyncio.Event().wait()


@skypy.command
async def handler_of_a_reply(other: int) -> None:
    """Cause wakeups and forks after a reply: they come before the messages behind the reply."""
    await skypy.call(other, "reply_and_then", "note", "next", "note", "last")
    cause_everything()


@skypy.command
def reply_and_then(*words: str) -> None:
    """Send messages after the reply."""
    target = skypy.source()

    def say() -> None:
        for command, event in zip(words[::2], words[1::2], strict=True):
            skypy.send(target, command, event)

    skypy.fork(say)


@skypy.command
def say_and_reply(count: int) -> str:
    say(count)
    return "reply"


@skypy.command
async def say_and_reply_later(count: int) -> str:
    await skypy.sleep(0)
    say(count)
    return "reply"


@skypy.command
def say_and_respond(count: int) -> None:
    respond = skypy.response()
    say(count)
    respond("reply")


@skypy.command
def say_and_raise(count: int) -> None:
    say(count)
    raise KeyError("reply")


@skypy.command
def say_and_exit(count: int) -> None:
    say(count)
    skypy.exit()


@skypy.command
def say_and_reply_a_list(count: int) -> list[str]:
    say(count)
    return ["reply"]


def say(count: int) -> None:
    for number in range(count):
        skypy.send(skypy.source(), "note", number)


# -- scenarios ---------------------------------------------------------------------------------------------------------


async def test_sends_and_calls_of_one_actor_arrive_in_order(others: Others) -> None:
    other = await others.start("orders")
    calls = []
    for number in range(0, 3000, 3):
        skypy.send(other, "note", number)
        calls.append(asyncio.create_task(skypy.call(other, "note", number + 1)))
        await asyncio.sleep(0)  # the call is made
        skypy.send(other, "note_later", number + 2)
    await asyncio.gather(*calls)
    assert await skypy.call(other, "events") == list(range(3000))


async def test_small_and_large_messages_keep_their_order(others: Others) -> None:
    other = await others.start("orders")
    for number in range(40):
        skypy.send(other, "note", ["x" * (300_000 if number % 3 else 0), number])
    numbers = [event[1] for event in await skypy.call(other, "events")]
    assert numbers == list(range(40))


async def test_a_reply_does_not_overtake_what_was_sent_before(others: Others) -> None:
    other = await others.start("orders")
    for command in ("say_and_reply", "say_and_reply_later", "say_and_respond"):
        happened.clear()
        assert await skypy.call(other, command, 100) == "reply"
        assert happened == list(range(100)), command
    happened.clear()
    assert await skypy.call(other, "say_and_reply_a_list", 100) == ["reply"]
    assert happened == list(range(100))


async def test_an_error_or_a_death_does_not_overtake_what_was_sent_before(others: Others) -> None:
    other = await others.start("orders")
    await raises(skypy.RemoteError, skypy.call(other, "say_and_raise", 100))
    assert happened == list(range(100))
    happened.clear()
    await raises(skypy.ActorDead, skypy.call(other, "say_and_exit", 100))
    assert happened == list(range(100))


async def test_handler_then_wakeups_then_forks_then_the_next_message(others: Others) -> None:
    for handler in ("plain_handler", "coroutine_handler", "waiting_handler"):
        other = await others.start("orders")
        for token in "abc":
            skypy.send(other, "wait_for", token)
        for command, *args in ((handler,), ("note", "next"), ("note_later", "last")):
            skypy.send(other, command, *args)
        assert await skypy.call(other, "events") == EVERYTHING, handler


async def test_the_consequences_of_a_reply_come_before_the_next_message(others: Others) -> None:
    caller, callee = await others.start("orders"), await others.start("orders")
    for token in "abc":
        skypy.send(caller, "wait_for", token)
    await skypy.call(caller, "handler_of_a_reply", callee)
    while len(events := await skypy.call(caller, "events")) < len(EVERYTHING):
        await skypy.sleep(0)
    assert events == EVERYTHING


async def test_the_consequences_of_code_that_asyncio_resumed_come_before_the_next_message(others: Others) -> None:
    other = await others.start("orders")
    for token in "abc":
        skypy.send(other, "wait_for", token)
    await skypy.call(other, "resume_by_asyncio")
    assert await skypy.call(other, "events") == EVERYTHING[:-2]


@skypy.command
async def resume_by_asyncio() -> None:
    await asyncio.sleep(0.001)
    cause_everything()


async def test_a_fork_runs_before_the_reply_of_a_later_message(others: Others) -> None:
    other = await others.start("orders")
    for number in range(100):
        skypy.send(other, "fork_note", number)
    assert await skypy.call(other, "events") == list(range(100))


@skypy.command
def fork_note(number: int) -> None:
    skypy.fork(happened.append, number)


async def test_many_messages_do_not_starve_timers(others: Others) -> None:
    other = await others.start("orders")
    ticks: list[int] = []
    skypy.timeout(0.001, ticks.append, 1)
    for number in range(20_000):
        skypy.send(other, "fork_note" if number % 2 else "note", number)
    await skypy.call(other, "note", -1)
    await passes(lambda: bool(ticks))


async def test_an_actor_that_talks_to_itself_for_ever_lets_others_work(others: Others) -> None:
    babbler, other = await others.start("orders"), await others.start("orders")
    skypy.send(babbler, "babble")
    for number in range(5):
        assert await skypy.call(other, "note", number) == number
    await skypy.sleep(0.0001)
    assert await skypy.call(babbler, "note", "still here") == "still here"


@skypy.command
def babble() -> None:
    skypy.send(skypy.self(), "babble")
