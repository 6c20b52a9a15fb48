"""Mistakes that a type checker must find. A comment names the error code that mypy gives for its line; no other line has one."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import assert_type

import skypy
from skypy import nothing  # error: attr-defined
from skypy import socket
from skypy.testing import Nothing  # error: attr-defined

skypy.slep(1)  # error: attr-defined
skypy.newservce("echo")  # error: attr-defined
socket.reed(1)  # error: attr-defined
skypy.socket.reed(1)  # error: attr-defined


@skypy.strat  # error: attr-defined, untyped-decorator
def misspelled() -> None: ...


@skypy.start
async def main(name: str) -> None:
    assert_type(await skypy.newservice("echo", name), skypy.Address)
    skypy.newservice("echo", worker="there")  # error: arg-type, unused-coroutine
    skypy.sleep(1)  # error: unused-coroutine
    await skypy.sleep("1")  # error: arg-type
    await skypy.wait(["token"])  # error: arg-type
    skypy.wakeup(["token"])  # error: arg-type
    await socket.listen("127.0.0.1", "8888")  # error: arg-type
    line = await socket.readline(1)
    line.decode()  # error: union-attr
    socket.write(1, "text")  # error: arg-type
    socket.write(1, b"bytes", "urgent")  # error: arg-type
    socket.shutdown(1, "x")  # error: arg-type
    skypy.getenv(1)  # error: call-overload
    skypy.getenv("port").missing  # error: attr-defined
    skypy.fork(main, 1)  # error: call-overload
    skypy.exit()
    print("never reached")


def plain() -> int:
    return 1


async def coroutine(text: str) -> bytes:
    return text.encode()


def returned_types() -> None:
    assert_type(main, Callable[[str], Awaitable[None]])  # error: assert-type
    assert_type(skypy.fork(plain), asyncio.Task[int])
    assert_type(skypy.fork(coroutine, "text"), asyncio.Task[bytes])
    assert_type(skypy.queue(), skypy.Queue)
    assert_type(skypy.timeout(1.0, plain), skypy.Timeout)
    assert_type(skypy.response(), skypy.Response)
    assert_type(skypy.self(), int)
    assert_type(skypy.getenv("key", 1), str | int)
