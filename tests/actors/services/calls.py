"""Sending and calling: the receivers, the sources, and callers that give up."""

import asyncio
import inspect
from collections.abc import Coroutine
from typing import Any

import skypy
from skypy.core.address import format_address
from tests.actors.scenarios import LONG, Others, here, passes, process_of, raises, refuses
from tests.actors.scenarios import play as play_scenario

heard: list[Any] = []
gates: dict[str, asyncio.Event] = {}
callers: list[asyncio.Task[Any]] = []


@skypy.command
async def play(name: str, placement: str) -> dict[str, Any]:
    return await play_scenario(__name__, name, placement)


# -- what the others do ------------------------------------------------------------------------------------------------


@skypy.command
def echo(value: Any) -> Any:
    return value


@skypy.command
def pass_on_plainly(target: int, value: Any) -> Coroutine[Any, Any, Any]:
    return skypy.call(target, "echo", value)


@skypy.command
def hear(value: Any) -> None:
    heard.append(value)


@skypy.command
def what_was_heard() -> list[Any]:
    return heard


@skypy.command
async def pass_gate(name: str) -> str:
    heard.append(f"waits at {name}")
    await gates.setdefault(name, asyncio.Event()).wait()
    heard.append(f"passed {name}")
    return name


@skypy.command
def open_gate(name: str) -> None:
    gates.setdefault(name, asyncio.Event()).set()


@skypy.command
def who_asks() -> int:
    return skypy.source()


@skypy.command
async def ask_back(depth: int) -> int:
    """Call an actor that calls back, and so on."""
    return 0 if not depth else 1 + int(await skypy.call(skypy.source(), "ask_back", depth - 1))


@skypy.command
async def pass_on(addresses: list[int], command: str, *args: Any) -> Any:
    """Have the first of these actors have the next one do something."""
    if not addresses:
        return await skypy.call(skypy.self(), command, *args)
    return await skypy.call(addresses[0], "pass_on", addresses[1:], command, *args)


@skypy.command
def cancel_caller() -> None:
    """Cancel the task of this actor that is in a call."""
    callers.pop().cancel("by who was called")


@skypy.command
def which_task() -> str:
    return str(asyncio.current_task())


@skypy.command
async def which_task_is_it() -> list[Any]:
    task = asyncio.current_task()
    assert task is not None
    async with asyncio.timeout(LONG):
        return [task is asyncio.current_task(), task in asyncio.all_tasks(), task.get_name()]


@skypy.command
async def never() -> None:
    await asyncio.Event().wait()


# -- scenarios ---------------------------------------------------------------------------------------------------------


async def test_a_call_gives_the_reply(others: Others) -> None:
    other = await others.start("calls")
    assert (process_of(other) == process_of(skypy.self())) is others.together
    assert await skypy.call(other, "echo", "hello") == "hello"
    assert await skypy.call(other, "hear", "hello") is None


async def test_a_send_is_true_and_arrives(others: Others) -> None:
    other = await others.start("calls")
    assert skypy.send(other, "hear", "hello") is True
    assert await skypy.call(other, "what_was_heard") == ["hello"]


async def test_call_is_a_coroutine_function_and_runs_when_it_is_awaited(others: Others) -> None:
    other = await others.start("calls")
    assert inspect.iscoroutinefunction(skypy.call)
    coroutine = skypy.call(other, "hear", "too early")
    assert await skypy.call(other, "what_was_heard") == []
    await coroutine
    assert await skypy.call(other, "what_was_heard") == ["too early"]


async def test_a_plain_handler_may_return_the_call_of_another(others: Others) -> None:
    first, second = await others.start("calls"), await others.start("calls")
    assert await skypy.call(first, "pass_on_plainly", second, "round") == "round"


async def test_an_address_may_be_text(others: Others) -> None:
    other = await others.start("calls")
    text = format_address(other)
    assert await skypy.call(text, "echo", 1) == 1
    assert skypy.send(text.upper(), "hear", 2) is True
    assert await skypy.call(other, "what_was_heard") == [2]
    assert skypy.address(text) == other


async def test_values_that_cannot_be_addresses_are_refused(others: Others) -> None:
    del others
    for wrong in ("", "1", ":1", ":0100000x", "echo", ":" + "f" * 17):
        await raises(ValueError, skypy.call(wrong, "echo", 1))
    for nonsense in (None, 1.0, b".name", [1]):
        await refuses(skypy.call, nonsense, "echo", 1)


async def test_a_command_is_a_text(others: Others) -> None:
    other = await others.start("calls")
    for nonsense in (None, 1, b"echo", hear):
        await refuses(skypy.call, other, nonsense, 1)
    await raises(ValueError, skypy.call(other, "\ud800", 1))
    assert await skypy.call(other, "echo", 1) == 1


async def test_source_is_the_asking_actor_in_both_directions(others: Others) -> None:
    other = await others.start("calls")
    assert await skypy.call(other, "who_asks") == skypy.self()
    assert await skypy.call(other, "pass_on", [skypy.self()], "who_asks") == skypy.self()
    assert await skypy.call(skypy.self(), "who_asks") == skypy.self()


async def test_an_actor_calls_itself(others: Others) -> None:
    del others
    assert await skypy.call(skypy.self(), "ask_back", 20) == 20


async def test_two_actors_call_each_other_back(others: Others) -> None:
    other = await others.start("calls")
    assert await skypy.call(other, "ask_back", 200) == 200


async def test_a_handler_does_not_run_in_its_callers_task(others: Others) -> None:
    other = await others.start("calls")
    await skypy.call(other, "echo", "now this is an actor's turn")
    caller = asyncio.current_task()
    assert await skypy.call(other, "which_task") == "None"
    assert await skypy.call(other, "which_task_is_it") == [True, True, "which_task_is_it"]
    assert asyncio.current_task() is caller


async def test_a_caller_that_its_callee_cancels_gets_the_cancellation_instead_of_the_reply(others: Others) -> None:
    other = await others.start("calls")

    async def call() -> None:
        task = asyncio.current_task()
        assert task is not None
        await skypy.call(other, "echo", "now this is an actor's turn")
        callers.append(task)
        await skypy.call(other, "pass_on", [skypy.self()], "echo", "all the way")
        await skypy.call(other, "pass_on", [skypy.self()], "cancel_caller")
        heard.append("went on")

    error = await raises(asyncio.CancelledError, skypy.fork(call))
    assert (error.args, heard) == (("by who was called",), [])


async def test_a_loop_of_calls_holds_back_no_timer(others: Others) -> None:
    other = await others.start("calls")
    timer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    skypy.timeout(0.01, timer.set_result, None)
    while not timer.done():
        assert await skypy.call(other, "echo", 1) == 1


async def test_a_call_goes_round_a_ring(others: Others) -> None:
    ring = [await others.start("calls") for _ in range(5)]
    assert await skypy.call(ring[0], "pass_on", [*ring[1:], skypy.self()] * 10, "echo", "round") == "round"


async def test_handlers_interleave_at_await_only(others: Others) -> None:
    other = await others.start("calls")
    first = asyncio.create_task(skypy.call(other, "pass_gate", "first"))
    second = asyncio.create_task(skypy.call(other, "pass_gate", "second"))
    await asyncio.sleep(0)
    await skypy.call(other, "open_gate", "second")
    assert await second == "second"
    await skypy.call(other, "open_gate", "first")
    assert await first == "first"
    order = ["waits at first", "waits at second", "passed second", "passed first"]
    assert await skypy.call(other, "what_was_heard") == order


async def test_many_calls_at_once_get_their_own_replies(others: Others) -> None:
    several = [await others.start("calls") for _ in range(4)]
    calls = [skypy.call(several[number % 4], "echo", number) for number in range(2000)]
    assert await asyncio.gather(*calls) == list(range(2000))


async def test_calls_in_a_task_group_end_with_it(others: Others) -> None:
    other = await others.start("calls")

    async def fail() -> None:
        await skypy.call(other, "echo", 1)
        raise KeyError("enough")

    try:
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(skypy.call(other, "never"))
            group.create_task(fail())
    except* KeyError:
        pass
    assert waiting.cancelled()


# -- giving up ---------------------------------------------------------------------------------------------------------


async def test_a_time_limit_ends_a_call_while_the_other_goes_on(others: Others) -> None:
    other = await others.start("calls")
    late = here().sessions.late
    try:
        async with asyncio.timeout(0.01):
            await skypy.call(other, "pass_gate", "slow")
        raise AssertionError("the call did not end")
    except TimeoutError:
        pass
    assert await skypy.call(other, "what_was_heard") == ["waits at slow"]
    await skypy.call(other, "open_gate", "slow")
    assert await skypy.call(other, "echo", 1) == 1
    await passes(lambda: here().sessions.late > late)
    assert await skypy.call(other, "what_was_heard") == ["waits at slow", "passed slow"]


async def test_every_way_of_giving_up_ends_a_call(others: Others) -> None:
    other = await others.start("calls")

    def never() -> Coroutine[Any, Any, Any]:
        return skypy.call(other, "never")

    await raises(TimeoutError, asyncio.wait_for(never(), 0.01))
    task = asyncio.create_task(never())
    await asyncio.sleep(0)
    task.cancel("enough")
    await raises(asyncio.CancelledError, asyncio.wait_for(task, 1))
    unstarted = asyncio.create_task(never())
    unstarted.cancel()
    await raises(asyncio.CancelledError, asyncio.wait_for(unstarted, 1))
    forked = skypy.fork(never)
    await skypy.sleep(0)
    forked.cancel()
    await asyncio.wait([forked])
    assert forked.cancelled()


async def test_a_reply_and_a_cancellation_at_the_same_moment_are_one_outcome(others: Others) -> None:
    other = await others.start("calls")
    outcomes = []
    for turn in range(50):
        task = asyncio.create_task(skypy.call(other, "echo", turn))
        for _ in range(turn % 10):
            await asyncio.sleep(0)
        task.cancel()
        outcomes.append((await asyncio.gather(task, return_exceptions=True))[0])
    for turn, outcome in enumerate(outcomes):
        assert outcome == turn or isinstance(outcome, asyncio.CancelledError)


async def test_a_call_that_was_not_awaited_sends_nothing(others: Others) -> None:
    other = await others.start("calls")
    skypy.call(other, "hear", "never").close()
    assert await skypy.call(other, "what_was_heard") == []


# -- the dead ----------------------------------------------------------------------------------------------------------


async def test_a_call_to_an_actor_that_has_ended_fails(others: Others) -> None:
    other = await others.start("calls")
    await skypy.kill(other)
    error = await raises(skypy.ActorDead, skypy.call(other, "echo", 1))
    assert error.address == other
    assert error.reason == "there is no such actor"
    assert str(error) == f"actor {format_address(other)}: there is no such actor"


async def test_a_send_to_an_actor_that_has_ended_is_lost(others: Others) -> None:
    other = await others.start("calls")
    await skypy.kill(other)
    if others.together:
        assert skypy.send(other, "hear", 1) is False
    else:
        skypy.send(other, "hear", 1)  # the other worker knows, this one does not


async def test_an_address_that_was_never_given_out_is_dead(others: Others) -> None:
    for number in (0, 1, 200, 2**39) if others.together else (77, 78, 2**39 - 1):
        stranger = number << 24 | 0xFFFFFF
        error = await raises(skypy.ActorDead, skypy.call(stranger, "echo", 1))
        assert error.address == stranger


async def test_a_number_that_can_be_no_address_is_refused(others: Others) -> None:
    other = await others.start("calls")
    for number in (-1, -(2**70), 2**64, 2**70):
        await raises(ValueError, skypy.call(number, "echo", 1))
    assert await skypy.call(other, "echo", 1) == 1


async def test_bad_values_are_refused_before_a_dead_callee_is_noticed(others: Others) -> None:
    other = await others.start("calls")
    await skypy.kill(other)
    await raises(TypeError, skypy.call(other, "echo", object()))
    try:
        skypy.send(other, "echo", object())
        raise AssertionError("it was sent")
    except TypeError:
        pass
