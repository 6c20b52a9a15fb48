"""The start of services: places, arguments, and everything that can go wrong."""

import asyncio
import sys
from contextlib import suppress
from typing import Any, Literal

import skypy
from skypy.core.address import format_address
from tests.actors.scenarios import Others, passes, process_of, raises, refuses, variable
from tests.actors.scenarios import play as play_scenario


@skypy.command
async def play(name: str, placement: str) -> dict[str, Any]:
    return await play_scenario(__name__, name, placement)


@skypy.command
async def start_somewhere(*args: Any) -> int:
    return await skypy.newservice("newborn", *args)


async def failure(where: int | Literal["here"], *args: Any, name: str = "newborn") -> str:
    error = await raises(skypy.ServiceError, skypy.newservice(name, *args, worker=where))
    return str(error)


async def test_the_address_comes_when_the_start_function_has_finished(others: Others) -> None:
    other = await others.start("newborn", "wait", 0.01)
    assert await skypy.call(other, "events") == ["start begins", "start ends"]
    assert await skypy.call(other, "names") == [f"newborn@{other:08x}"] * 2


async def test_messages_are_handled_while_the_start_function_waits(others: Others) -> None:
    task = asyncio.create_task(others.start("newborn", "register and wait", ".early"))
    await passes(lambda: skypy.query(".early") is not None)
    await skypy.call(".early", "go_on")
    assert await skypy.call(await task, "events") == ["start begins", "go on", "start ends"]


async def test_a_plain_start_function_or_none_will_do(others: Others) -> None:
    assert await skypy.call(await others.start("simple", 1, [2]), "arguments") == [1, [2]]
    assert await skypy.call(await others.start("startless", 1), "hello") == "hello"


async def test_a_service_may_live_in_a_folder(others: Others) -> None:
    assert await skypy.call(await others.start("folder/inner"), "where") == "inner"


async def test_every_instance_has_a_module_of_its_own(others: Others) -> None:
    first, second = await others.start("newborn"), await others.start("newborn")
    await skypy.call(first, "go_on")
    assert await skypy.call(second, "events") == ["start begins", "start ends"]


async def test_arguments_arrive_as_values_do(others: Others) -> None:
    values = [None, True, -1, 2.5, "text", b"bytes", (1, (2,)), {"a": [3], 4: None}, {}]
    other = await others.start("newborn", "keep", *values)
    assert await skypy.call(other, "kept") == [None, True, -1, 2.5, "text", b"bytes", [1, [2]], {"a": [3], 4: None}, {}]


async def test_arguments_are_copies(others: Others) -> None:
    values = [1, 2]
    other = await others.start("newborn", "keep", values)
    values.append(3)
    assert await skypy.call(other, "kept") == [[1, 2]]
    await skypy.call(other, "spoil")
    assert values == [1, 2, 3]


async def test_arguments_may_be_large(others: Others) -> None:
    text = "x" * 5_000_000
    other = await others.start("newborn", "keep", text, [text])
    assert await skypy.call(other, "kept") == [text, [text]]


async def test_several_large_starts_at_once_do_not_disturb_each_other(others: Others) -> None:
    texts = [letter * 3_000_000 for letter in "abcd"]
    addresses = await asyncio.gather(*(others.start("newborn", "keep", text) for text in texts))
    for text, address in zip(texts, addresses, strict=True):
        assert await skypy.call(address, "kept") == [text]


async def test_arguments_that_no_message_carries_are_refused_before_anything_starts(others: Others) -> None:
    where = others.where()
    await raises(TypeError, skypy.newservice("newborn", object(), worker=where))
    await raises(TypeError, skypy.newservice("newborn", "keep", {1, 2}, worker=where))
    await raises(ValueError, skypy.newservice("newborn", 1 << 64, worker=where))
    await raises(ValueError, skypy.newservice("newborn", "\ud800", worker=where))
    await others.start("newborn")


async def test_names_that_no_service_has_are_refused(others: Others) -> None:
    where = others.where()
    assert "cannot be the name of a service" in await failure(where, name="no name")
    for wrong in ("", "../newborn", "newborn.py", "/newborn", "a//b", "\ud800"):
        assert "cannot be the name of a service" in await failure(where, name=wrong)
    text = await failure(where, name="newborm")
    assert 'no service "newborm" (looked for newborm.py in ' in text
    assert text.endswith('; did you mean "newborn"?')
    for nonsense in (None, 1, b"newborn"):
        await refuses(skypy.newservice, nonsense, worker=where)


async def test_workers_that_do_not_exist_are_refused(others: Others) -> None:
    del others
    for number in (0, 3, -1, 1 << 70):
        text = str(await raises(skypy.ServiceError, skypy.newservice("newborn", worker=number)))
        assert text == f"there is no worker {number}: this node has workers 1 to 2"
    for nonsense in ("there", 1.0, b"here", [1]):
        await refuses(skypy.newservice, "newborn", worker=nonsense)
    await raises(ValueError, skypy.newservice("newborn", restart="permanent"))  # type: ignore[arg-type]


async def test_an_actor_lives_where_it_was_asked_for(others: Others) -> None:
    other = await others.start("births")
    for number in (1, 2):
        address = await skypy.newservice("newborn", worker=number)
        others.started.append(address)
        assert process_of(address) == number
    child = await skypy.call(other, "start_here")
    others.started.append(child)
    assert process_of(child) == process_of(other)


@skypy.command
async def start_here() -> int:
    return await skypy.newservice("newborn", worker="here")


# -- failures ----------------------------------------------------------------------------------------------------------


async def test_a_start_function_that_raises_fails_the_start_and_tells_why(others: Others) -> None:
    text = await failure(others.where(), "raise")
    assert text.startswith('service "newborn" failed to start:\nTraceback (most recent call last):\n')
    assert "newborn.py" in text
    assert text.endswith("ValueError: asked to raise")


async def test_the_worker_survives_every_exception_of_a_start_function(others: Others) -> None:
    where = others.where()
    for kind in ("SystemExit", "KeyboardInterrupt", "GeneratorExit", "CancelledError", "Exception"):
        for moment in ("at once", "later"):
            text = await failure(where, "raise kind", kind, moment)
            assert text.startswith('service "newborn" failed to start:\n'), (kind, moment)
            assert kind in text
    await others.start("newborn")


async def test_a_body_that_fails_fails_the_start(others: Others) -> None:
    where = others.where()
    assert (await failure(where, name="broken/body")).endswith("ZeroDivisionError: division by zero")
    assert (await failure(where, name="broken/leaves")).endswith("SystemExit: 3")
    assert "SyntaxError" in await failure(where, name="no_python")
    assert (await failure(where, name="broken/imports")).endswith("No module named 'no_such_module'")
    assert "only works in" not in await failure(where, name="broken/relative")


async def test_arguments_that_do_not_fit_fail_the_start(others: Others) -> None:
    text = await failure(others.where(), 1, 2, 3, name="startless_but_strict")
    assert "TypeError: main() takes 0 positional arguments but 3 were given" in text


async def test_an_exit_while_starting_is_told_from_an_old_cancellation(others: Others) -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()  # as a TaskGroup does whose child fails
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(0)
    assert task.cancelling() == 1
    assert "has ended before its start function had finished" in await failure(others.where(), "exit")
    task.uncancel()


async def test_an_exit_before_the_start_has_finished_fails_it(others: Others) -> None:
    where = others.where()
    for how in ("exit", "exit later", "exit from a fork", "exit at the last moment"):
        text = await failure(where, how)
        assert text == 'service "newborn" has ended before its start function had finished', how


async def test_an_actor_that_is_killed_before_it_has_started_fails_its_start(others: Others) -> None:
    task = asyncio.create_task(skypy.newservice("newborn", "register and wait", ".doomed", worker=others.where()))
    await passes(lambda: skypy.query(".doomed") is not None)
    await skypy.kill(".doomed")
    error = await raises(skypy.ServiceError, task)
    assert "has ended before its start function had finished" in str(error)


async def test_a_failed_start_leaves_nothing_behind(others: Others) -> None:
    where = others.where()
    error = await failure(where, "register and raise", ".failed")
    assert "ValueError" in error
    await passes(lambda: skypy.query(".failed") is None)
    names = [name for name in sys.modules if name.startswith("newborn@")]
    assert not names, names


async def test_a_module_body_may_ask_for_its_address_but_not_for_the_source_of_a_message(others: Others) -> None:
    other = await others.start("newborn")
    body = await skypy.call(other, "body")
    assert body == [other, format_address(other), "no message is being handled here", "untouched"]


async def test_context_variables_of_its_starter_do_not_reach_an_actor(others: Others) -> None:
    variable.set("touched")
    other = await others.start("newborn")
    assert (await skypy.call(other, "body"))[3] == "untouched"
    assert await skypy.call(other, "variable_now") == "untouched"


# -- giving up ---------------------------------------------------------------------------------------------------------


async def test_giving_up_a_start_does_not_wait_for_it(others: Others) -> None:
    starting = skypy.newservice("newborn", "register and wait", ".given up", worker=others.where())
    task = asyncio.create_task(starting)
    await passes(lambda: skypy.query(".given up") is not None)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    if others.together:
        await passes(lambda: skypy.query(".given up") is None)
    else:
        await skypy.kill(".given up")
