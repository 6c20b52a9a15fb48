"""Replies that are detached from their handler."""

import asyncio
from typing import Any

import skypy
from tests.actors.scenarios import Others, here, raises
from tests.actors.scenarios import play as play_scenario

held: list[Any] = []
results: list[bool] = []


@skypy.command
async def play(name: str, placement: str) -> dict[str, Any]:
    return await play_scenario(__name__, name, placement)


@skypy.command
def hold() -> str:
    held.append(skypy.response())
    return "not sent"


@skypy.command
async def hold_later() -> str:
    await skypy.sleep(0)
    held.append(skypy.response())
    await skypy.sleep(0)
    return "not sent"


@skypy.command
def how_many() -> int:
    return len(held)


@skypy.command
def answer(*values: Any) -> bool:
    return bool(held.pop(0)(*values))


@skypy.command
def answer_with_nonsense() -> bool:
    return bool(held.pop(0)(object()))


@skypy.command
def fail(text: str) -> bool:
    return bool(held.pop(0).fail(OSError(5, text)))


@skypy.command
def answer_twice() -> str:
    respond = held.pop(0)
    respond("first")
    try:
        respond("second")
    except RuntimeError as error:
        return str(error)
    return "no error"


@skypy.command
def hold_and_raise() -> None:
    held.append(skypy.response())
    raise ValueError("after the reply was detached")


@skypy.command
def hold_twice() -> None:
    held.append(skypy.response())
    try:
        skypy.response()
    except RuntimeError:
        held.append("refused")


@skypy.command
async def answer_from_another_task() -> None:
    respond = skypy.response()

    async def later() -> None:
        await asyncio.sleep(0.001)
        respond("from a task")

    held.append(asyncio.create_task(later()))


@skypy.command
async def detach_in_another_task() -> None:
    async def later() -> None:
        skypy.response()("detached in a task")

    await asyncio.create_task(later())


@skypy.command
def take() -> Any:
    return held.pop()


@skypy.command
def answer_now() -> str:
    skypy.response()("now")
    return "too late"


@skypy.command
def leave() -> None:
    skypy.exit()


async def test_a_late_response_is_the_reply(others: Others) -> None:
    other = await others.start("responses")
    for command in ("hold", "hold_later"):
        call = asyncio.create_task(skypy.call(other, command))
        while not await skypy.call(other, "how_many"):
            await skypy.sleep(0)
        assert not call.done()
        assert await skypy.call(other, "answer", ["late", 1]) is True
        assert await call == ["late", 1]


async def test_responses_may_be_given_in_any_order(others: Others) -> None:
    other = await others.start("responses")
    calls = [asyncio.create_task(skypy.call(other, "hold")) for _ in range(3)]
    while await skypy.call(other, "how_many") < 3:
        await skypy.sleep(0)
    for number in range(3):
        await skypy.call(other, "answer", number)
    assert await asyncio.gather(*calls) == [0, 1, 2]


async def test_a_response_without_a_value_is_none(others: Others) -> None:
    other = await others.start("responses")
    call = asyncio.create_task(skypy.call(other, "hold"))
    while not await skypy.call(other, "how_many"):
        await skypy.sleep(0)
    await skypy.call(other, "answer")
    assert await call is None


async def test_a_failed_response_is_the_callers_error(others: Others) -> None:
    other = await others.start("responses")
    call = asyncio.create_task(skypy.call(other, "hold"))
    while not await skypy.call(other, "how_many"):
        await skypy.sleep(0)
    assert await skypy.call(other, "fail", "no such thing") is True
    error = await raises(skypy.RemoteError, asyncio.wait_for(call, 5))
    assert (error.type_name, error.text) == ("OSError", "[Errno 5] no such thing")


async def test_a_response_that_no_message_carries_is_the_callers_error(others: Others) -> None:
    other = await others.start("responses")
    call = asyncio.create_task(skypy.call(other, "hold"))
    while not await skypy.call(other, "how_many"):
        await skypy.sleep(0)
    assert await skypy.call(other, "answer_with_nonsense") is True
    error = await raises(skypy.RemoteError, asyncio.wait_for(call, 5))
    assert error.type_name == "TypeError"


async def test_an_unused_response_fails_its_caller_when_the_actor_ends(others: Others) -> None:
    other = await others.start("responses")
    call = asyncio.create_task(skypy.call(other, "hold"))
    while not await skypy.call(other, "how_many"):
        await skypy.sleep(0)
    skypy.send(other, "leave")
    error = await raises(skypy.ActorDead, asyncio.wait_for(call, 5))
    assert error.address == other


async def test_a_response_is_used_once(others: Others) -> None:
    other = await others.start("responses")
    call = asyncio.create_task(skypy.call(other, "hold"))
    while not await skypy.call(other, "how_many"):
        await skypy.sleep(0)
    assert await skypy.call(other, "answer_twice") == "this response has been used already"
    assert await call == "first"


async def test_a_second_response_of_the_same_request_is_refused(others: Others) -> None:
    other = await others.start("responses")
    call = asyncio.create_task(skypy.call(other, "hold_twice"))
    while await skypy.call(other, "how_many") < 2:
        await skypy.sleep(0)
    assert await skypy.call(other, "answer", "first") is True
    assert await call == "first"
    assert await skypy.call(other, "take") == "refused"


async def test_the_response_of_a_send_has_no_caller(others: Others) -> None:
    other = await others.start("responses")
    skypy.send(other, "hold")
    assert await skypy.call(other, "answer", 1) is False


async def test_the_response_to_a_caller_that_has_given_up_is_late(others: Others) -> None:
    other = await others.start("responses")
    late = here().sessions.late
    await raises(TimeoutError, asyncio.wait_for(skypy.call(other, "hold"), 0.01))
    await skypy.call(other, "answer", 1)
    assert here().sessions.late == late + 1  # it was sent before the reply to `answer`


async def test_a_handler_that_raises_after_detaching_is_logged_and_the_response_stays(others: Others) -> None:
    other = await others.start("responses")
    others.expect(r'error in command "hold_and_raise" from :')
    others.expect("Traceback")
    others.expect("ValueError: after the reply was detached")
    call = asyncio.create_task(skypy.call(other, "hold_and_raise"))
    while not await skypy.call(other, "how_many"):
        await skypy.sleep(0)
    await skypy.call(other, "answer", "still there")
    assert await call == "still there"


async def test_a_response_may_be_given_from_another_task(others: Others) -> None:
    other = await others.start("responses")
    assert await skypy.call(other, "answer_from_another_task") == "from a task"
    assert await skypy.call(other, "detach_in_another_task") == "detached in a task"


async def test_a_response_may_be_given_at_once(others: Others) -> None:
    other = await others.start("responses")
    assert await skypy.call(other, "answer_now") == "now"


async def test_outside_of_a_handler_there_is_nothing_to_respond_to(others: Others) -> None:
    del others
    failures: list[str] = []

    def outside() -> None:
        for verb in (skypy.response, skypy.source):
            try:
                verb()
            except RuntimeError as error:
                failures.append(str(error))

    skypy.fork(outside)
    await skypy.sleep(0)
    assert failures == ["no message is being handled here"] * 2
