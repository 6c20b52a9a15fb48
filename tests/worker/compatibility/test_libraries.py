"""anyio, aiohttp and httpx."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import aiohttp
import anyio
import anyio.from_thread
import anyio.to_thread
import httpx
import pytest
from aiohttp import web

from tests.worker.compatibility.checks import (
    LATE,
    SOON,
    Check,
    Checks,
    Driver,
    Failure,
    Start,
    ambient,
    current,
    direct_wait,
    every_driver,
    fail,
    for_ever,
    run,
    settle,
    wait_for_ever,
)

check = Checks()


# anyio


@check
async def anyio_knows_the_task(start: Start) -> None:
    info = anyio.get_current_task()
    assert info.id == id(current())
    assert info.name == "the check"


@check
async def anyio_task_groups_wait_for_their_tasks(start: Start) -> None:
    results: list[int] = []

    async def child(number: int) -> None:
        await direct_wait()
        await anyio.sleep(0)
        results.append(number)

    async with anyio.create_task_group() as group:
        for number in range(3):
            group.start_soon(child, number)
    assert results == [0, 1, 2]


@check.in_debug_mode_as_well
async def anyio_task_groups_cancel_the_others_when_one_fails(start: Start) -> None:
    cancelled: list[bool] = []

    async def other() -> None:
        try:
            await wait_for_ever()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async def parent() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(other)
            group.start_soon(fail)
            await wait_for_ever()

    with pytest.raises(ExceptionGroup) as caught:
        await parent()
    assert [type(error) for error in caught.value.exceptions] == [Failure]
    assert cancelled == [True]
    assert current().cancelling() == 0


@check
async def anyio_task_groups_wait_until_a_task_says_it_has_started(start: Start) -> None:
    async def child(*, task_status: anyio.abc.TaskStatus[str]) -> None:
        await direct_wait()
        task_status.started("ready")
        await wait_for_ever()

    async with anyio.create_task_group() as group:
        assert await group.start(child) == "ready"
        group.cancel_scope.cancel()


@check
async def anyio_scopes_cancel_what_is_inside_only(start: Start) -> None:
    for wait in (for_ever, wait_for_ever):
        with anyio.CancelScope() as scope:
            asyncio.get_running_loop().call_soon(scope.cancel)
            await wait()
        assert scope.cancelled_caught
    await direct_wait()
    assert current().cancelling() == 0


@check
async def anyio_shields_keep_a_cancellation_away(start: Start) -> None:
    steps: list[str] = []
    with anyio.CancelScope() as scope:
        scope.cancel()
        with anyio.CancelScope(shield=True):
            await direct_wait()
            await anyio.sleep(0)
            steps.append("shielded")
        await anyio.sleep(0)
        steps.append("unreachable")
    assert steps == ["shielded"]


@check
async def anyio_move_on_after_leaves_quietly(start: Start) -> None:
    for wait in (for_ever, wait_for_ever):
        with anyio.move_on_after(SOON) as scope:
            await wait()
        assert scope.cancelled_caught


@check
async def anyio_fail_after_raises(start: Start) -> None:
    with pytest.raises(TimeoutError), anyio.fail_after(SOON):
        await wait_for_ever()
    with anyio.fail_after(LATE):
        await direct_wait()


@check
async def anyio_lets_a_cancellation_from_outside_through(start: Start) -> None:
    async def child() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(wait_for_ever)

    task = start(child())
    await settle()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


@check
async def anyio_events_and_locks_work(start: Start) -> None:
    event, lock = anyio.Event(), anyio.Lock()

    async def child() -> None:
        async with lock:
            await event.wait()

    task = start(child())
    await settle()
    assert lock.locked()
    event.set()
    await task
    async with lock:
        await direct_wait()


@check
async def anyio_memory_streams_hand_over(start: Start) -> None:
    sender, receiver = anyio.create_memory_object_stream[int](0)

    async def produce() -> None:
        async with sender:
            for number in range(5):
                await sender.send(number)

    async with anyio.create_task_group() as group, receiver:
        group.start_soon(produce)
        assert [number async for number in receiver] == list(range(5))


@check
async def anyio_runs_functions_in_threads_and_calls_back_from_there(start: Start) -> None:
    ambient.set("mine")
    assert await anyio.to_thread.run_sync(ambient.get) == "mine"

    async def child() -> str:
        await direct_wait()
        return ambient.get()

    assert await anyio.to_thread.run_sync(anyio.from_thread.run, child) == "mine"


# aiohttp and httpx


async def answer(request: web.Request) -> web.Response:
    await direct_wait()
    return web.Response(text=f"{request.method} {request.path} {await request.text()}")


@contextlib.asynccontextmanager
async def http_server() -> AsyncIterator[str]:
    """The URL of a server whose /slow answers only when the server ends."""
    release = asyncio.Event()

    async def answer_slowly(_: web.Request) -> web.Response:
        await release.wait()
        return web.Response()

    application = web.Application()
    application.add_routes([web.get("/slow", answer_slowly), web.route("*", "/{path}", answer)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0]
        yield f"http://{host}:{port}"
    finally:
        release.set()
        await runner.cleanup()


@check
async def aiohttp_asks_and_answers(start: Start) -> None:
    async with http_server() as url, aiohttp.request("POST", f"{url}/echo", data="hello") as response:
        assert response.status == 200
        assert await response.text() == "POST /echo hello"


@check
async def aiohttp_asks_from_many_tasks(start: Start) -> None:
    async with http_server() as url, aiohttp.ClientSession() as session:

        async def ask(number: int) -> str:
            async with session.get(f"{url}/{number}") as response:
                return await response.text()

        answers = await asyncio.gather(*(start(ask(number)) for number in range(5)))
    assert answers == [f"GET /{number} " for number in range(5)]


@check
async def aiohttp_times_out(start: Start) -> None:
    limit = aiohttp.ClientTimeout(total=0.02)
    async with http_server() as url, aiohttp.ClientSession(timeout=limit) as session:
        with pytest.raises(TimeoutError):
            await session.get(f"{url}/slow")
    assert current().cancelling() == 0


@check
async def aiohttp_requests_can_be_cancelled(start: Start) -> None:
    async with http_server() as url, aiohttp.ClientSession() as session:

        async def ask() -> None:
            await session.get(f"{url}/slow")

        task = start(ask())
        await asyncio.sleep(0.01)
        task.cancel("enough")
        await asyncio.wait([task])
        assert task.cancelled()
        async with session.get(f"{url}/next") as response:
            assert response.status == 200


@check
async def aiohttp_carries_a_websocket(start: Start) -> None:
    async def converse(request: web.Request) -> web.WebSocketResponse:
        connection = web.WebSocketResponse()
        await connection.prepare(request)
        async for message in connection:
            await connection.send_str(message.data.upper())
        return connection

    application = web.Application()
    application.add_routes([web.get("/", converse)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0]
    async with aiohttp.ClientSession() as session, session.ws_connect(f"http://{host}:{port}") as connection:
        await connection.send_str("hello")
        assert await connection.receive_str() == "HELLO"
    await runner.cleanup()


@check
async def httpx_asks_and_is_answered(start: Start) -> None:
    async with http_server() as url, httpx.AsyncClient(verify=False, trust_env=False) as client:
        response = await client.post(f"{url}/echo", content="hello")
        assert response.status_code == 200
        assert response.text == "POST /echo hello"


@check
async def httpx_asks_from_many_tasks(start: Start) -> None:
    async with http_server() as url, httpx.AsyncClient(verify=False, trust_env=False) as client:

        async def ask(number: int) -> str:
            return (await client.get(f"{url}/{number}")).text

        answers = await asyncio.gather(*(start(ask(number)) for number in range(5)))
    assert answers == [f"GET /{number} " for number in range(5)]


@check
async def httpx_times_out(start: Start) -> None:
    async with http_server() as url, httpx.AsyncClient(verify=False, trust_env=False) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.get(f"{url}/slow", timeout=httpx.Timeout(LATE, read=0.01))
    assert current().cancelling() == 0


@check
async def httpx_requests_can_be_cancelled(start: Start) -> None:
    async with http_server() as url, httpx.AsyncClient(verify=False, trust_env=False) as client:
        task = start(client.get(f"{url}/slow"))
        await asyncio.sleep(0.01)
        task.cancel("enough")
        await asyncio.wait([task])
        assert task.cancelled()
        assert (await client.get(f"{url}/next")).status_code == 200


@every_driver
@check.each
def test_the_task(driver: Driver, body: Check, debug: bool) -> None:
    run(driver, body, debug=debug)
