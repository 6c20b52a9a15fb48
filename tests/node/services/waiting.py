"""Waiting in an actor: for time, wakeups and its own tasks; and the order in which it goes on."""

import asyncio
import contextvars
import threading

import pytest

import skypy
from skypy import socket
from tests.node.scenarios import connection, offer

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="nothing")


@skypy.start
async def main() -> None:
    await offer(__name__)


# -- time --------------------------------------------------------------------------------------------------------------


async def test_sleep_is_true_when_the_time_has_passed() -> None:
    start = asyncio.get_running_loop().time()
    assert await skypy.sleep(0.01) is True
    assert asyncio.get_running_loop().time() - start >= 0.01


async def test_sleep_of_no_time_lets_others_run() -> None:
    order: list[str] = []
    skypy.fork(order.append, "other")
    assert await skypy.sleep(0) is True
    assert order == ["other"]


async def test_wakeup_ends_a_sleep_which_is_then_false() -> None:
    results: list[bool] = []

    async def sleeper() -> None:
        results.append(await skypy.sleep(1000))

    task = skypy.fork(sleeper)
    await skypy.sleep(0)
    assert skypy.wakeup(task) is True
    await task
    assert results == [False]


async def test_a_task_that_sleeps_is_cancelled_as_any_other() -> None:
    task = skypy.fork(skypy.sleep, 1000)
    await skypy.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert skypy.wakeup(task) is False


async def test_a_time_that_cannot_be_waited_for_is_refused() -> None:
    with pytest.raises(ValueError, match="seconds cannot be waited for"):
        await skypy.sleep(float("nan"))
    with pytest.raises(ValueError, match="seconds cannot be waited for"):
        skypy.timeout(float("nan"), print)


async def test_a_time_that_has_passed_is_not_waited_for() -> None:
    assert await skypy.sleep(-1) is True
    done = asyncio.Event()
    skypy.timeout(-1, done.set)
    await done.wait()


async def test_a_sleep_without_end_is_ended_by_wakeup() -> None:
    task = skypy.fork(skypy.sleep, float("inf"))
    await skypy.sleep(0)
    assert skypy.wakeup(task) is True
    assert await task is False


async def test_an_object_that_cannot_be_called_is_refused_at_once() -> None:
    for attempt in (
        lambda: skypy.fork(5),  # type: ignore[call-overload]
        lambda: skypy.timeout(0, None),  # type: ignore[arg-type]
        lambda: skypy.dispatch("handler"),  # type: ignore[arg-type]
    ):
        with pytest.raises(TypeError, match="a function is needed"):
            attempt()


async def test_timeouts_run_in_the_order_of_their_times() -> None:
    order: list[str] = []
    skypy.timeout(0.03, order.append, "third")
    skypy.timeout(0.01, order.append, "first")
    skypy.timeout(0.02, order.append, "second")
    done = asyncio.Event()
    skypy.timeout(0.04, done.set)
    await done.wait()
    assert order == ["first", "second", "third"]


async def test_a_cancelled_timeout_does_not_run_and_may_be_cancelled_again() -> None:
    order: list[str] = []
    handle = skypy.timeout(0.01, order.append, "cancelled")
    handle.cancel()
    handle.cancel()
    await skypy.sleep(0.03)
    assert order == []


async def test_a_timeout_takes_plain_functions_and_coroutine_functions_with_arguments() -> None:
    done: list[tuple[int, ...]] = []
    finished = asyncio.Event()

    async def coroutine(*numbers: int) -> None:
        await skypy.sleep(0)
        done.append(numbers)
        finished.set()

    skypy.timeout(0, lambda *numbers: done.append(numbers), 1, 2)
    skypy.timeout(0.01, coroutine, 3, 4)
    await finished.wait()
    assert done == [(1, 2), (3, 4)]


# -- wait and wakeup ---------------------------------------------------------------------------------------------------


async def test_wakeup_resumes_the_task_that_waits_for_the_token() -> None:
    order: list[str] = []

    async def waiter(token: str) -> None:
        await skypy.wait(token)
        order.append(token)

    tasks = [skypy.fork(waiter, "a"), skypy.fork(waiter, "b")]
    await skypy.sleep(0)
    assert skypy.wakeup("b") is True
    assert skypy.wakeup("a") is True
    assert order == []  # not inside of the caller
    await asyncio.gather(*tasks)
    assert order == ["b", "a"]


async def test_wakeup_without_a_wait_is_false_and_lost() -> None:
    assert skypy.wakeup("nobody") is False
    waiter = skypy.fork(skypy.wait, "nobody")
    await skypy.sleep(0.01)
    assert not waiter.done()
    assert skypy.wakeup("nobody") is True
    assert skypy.wakeup("nobody") is False
    await waiter


async def test_two_tasks_cannot_wait_for_the_same_token() -> None:
    first = skypy.fork(skypy.wait, "token")
    await skypy.sleep(0)
    with pytest.raises(RuntimeError, match="another task waits for 'token'"):
        await skypy.wait("token")
    skypy.wakeup("token")
    await first


async def test_a_cancelled_wait_leaves_the_token_free() -> None:
    first = skypy.fork(skypy.wait, "token")
    await skypy.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    second = skypy.fork(skypy.wait, "token")
    await skypy.sleep(0)
    assert skypy.wakeup("token") is True
    await second


# -- order -------------------------------------------------------------------------------------------------------------


async def test_the_handler_comes_first_then_wakeups_then_forks_then_the_next_message() -> None:
    order: list[str] = []
    async with connection() as (here, there):

        async def waiter() -> None:
            await skypy.wait("token")
            order.append("wakeup")

        async def handler() -> None:
            while await socket.readline(there) is not None:
                skypy.fork(order.append, "fork 1")
                skypy.wakeup("token")
                skypy.fork(order.append, "fork 2")
                order.append("handler")

        waiting = skypy.fork(waiter)
        handling = skypy.fork(handler)
        await skypy.sleep(0)
        socket.write(here, b"message\n")
        await waiting
        assert order == ["handler", "wakeup", "fork 1", "fork 2"]
        handling.cancel()


async def test_wakeups_of_a_fork_come_before_the_next_fork_and_its_forks_after_it() -> None:
    order: list[str] = []

    async def waiter() -> None:
        await skypy.wait("token")
        order.append("woken by the first")

    def first() -> None:
        order.append("first")
        skypy.fork(order.append, "forked by the first")
        skypy.wakeup("token")

    waiting = skypy.fork(waiter)
    await skypy.sleep(0)
    skypy.fork(first)
    skypy.fork(order.append, "second")
    await waiting
    await skypy.sleep(0)
    assert order == ["first", "woken by the first", "second", "forked by the first"]


# -- tasks of asyncio --------------------------------------------------------------------------------------------------


async def test_a_task_group_waits_for_all_and_cancels_the_others_when_one_fails() -> None:
    cleaned_up: list[str] = []

    async def sleeper() -> None:
        try:
            await skypy.sleep(1000)
        finally:
            cleaned_up.append("sleeper")

    async def failing() -> None:
        await skypy.sleep(0)
        raise ValueError("in a group")

    async def both() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(sleeper())
            group.create_task(failing())

    with pytest.raises(ExceptionGroup) as caught:
        await both()
    assert [str(error) for error in caught.value.exceptions] == ["in a group"]
    assert cleaned_up == ["sleeper"]


async def test_gather_shield_and_wait_for_take_the_waits_of_skypy() -> None:
    assert all(await asyncio.gather(skypy.sleep(0.01), skypy.sleep(0)))
    assert await asyncio.wait_for(skypy.sleep(0.01), 1000) is True
    assert await asyncio.shield(skypy.sleep(0.01)) is True
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(skypy.sleep(1000), 0.01)


async def test_the_current_task_is_a_task_with_a_name() -> None:
    async def named() -> str:
        task = asyncio.current_task()
        assert isinstance(task, asyncio.Task)
        return task.get_name()

    assert (await skypy.fork(named)).endswith("named")


async def test_fork_gives_the_result_of_plain_functions_and_of_coroutine_functions() -> None:
    async def double(number: int) -> int:
        await skypy.sleep(0)
        return 2 * number

    assert await skypy.fork(double, number=21) == 42
    assert await skypy.fork(int, "2a", base=16) == 42


async def test_skypy_may_be_called_in_tasks_that_asyncio_made() -> None:
    async def who() -> int:
        await asyncio.sleep(0)
        return skypy.self()

    assert await asyncio.create_task(who()) == skypy.self()
    assert set(await asyncio.gather(who(), who())) == {skypy.self()}


# -- context -----------------------------------------------------------------------------------------------------------


async def test_a_context_variable_is_seen_only_by_the_tasks_that_are_made_after_it() -> None:
    async def look() -> str:
        seen = variable.get()
        variable.set("changed by a task")
        return seen

    assert variable.get() == "nothing"  # whatever the other tests of this service have set
    variable.set("set")
    assert await asyncio.create_task(look()) == "set"
    await skypy.sleep(0.01)
    assert variable.get() == "set"


async def test_a_call_from_another_thread_raises_runtime_error() -> None:
    raised: list[BaseException] = []

    def call_everything() -> None:
        for call in (skypy.self, lambda: skypy.fork(print), lambda: skypy.wakeup(1), lambda: socket.write(1, b"x")):
            try:
                call()
            except RuntimeError as error:
                raised.append(error)

    thread = threading.Thread(target=contextvars.copy_context().run, args=(call_everything,))
    thread.start()
    thread.join()
    assert [str(error) for error in raised] == [
        "skypy must be called from the service's own thread, not from another one"
    ] * 4
    await asyncio.to_thread(call_everything)
    thread = threading.Thread(target=call_everything)
    thread.start()
    thread.join()
    assert len(raised) == 12


async def test_a_thread_may_hand_its_result_to_a_task() -> None:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[int] = loop.create_future()
    thread = threading.Thread(target=loop.call_soon_threadsafe, args=(future.set_result, 42))
    thread.start()
    assert await future + await asyncio.to_thread(sum, [40, 2]) == 84
    assert skypy.self() == 0x01000001
    thread.join()


# -- settings ----------------------------------------------------------------------------------------------------------


async def test_getenv_gives_settings_and_defaults() -> None:
    assert skypy.getenv("color") == "green"
    assert skypy.getenv("colour", None) is None
    assert skypy.getenv("colour", "red") == "red"


async def test_getenv_of_a_missing_setting_names_the_config_file() -> None:
    with pytest.raises(skypy.ConfigError, match=r"/node\.toml: env\.colour: .* --set env\.colour=") as caught:
        skypy.getenv("colour")
    assert (caught.value.file.endswith("/node.toml"), caught.value.key) == (True, "env.colour")
