"""trio's kit for half-closeable streams, run over the verbs of sockets: trio is a guest in this actor's loop."""

import asyncio
import operator
from collections.abc import Coroutine
from typing import Any, TypeVar

import trio
import trio.testing

import skypy
from skypy import socket

T = TypeVar("T")


@skypy.start
async def main() -> None:
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[Any] = loop.create_future()
    trio.lowlevel.start_guest_run(
        trio.testing.check_half_closeable_stream,
        ends,
        None,  # no clogged streams: `drain` lets go at a mark, and not when the kernel is full
        run_sync_soon_threadsafe=loop.call_soon_threadsafe,
        done_callback=ended.set_result,
        host_uses_signal_set_wakeup_fd=True,
    )
    (await ended).unwrap()
    skypy.log.info("trio's kit has passed")


async def ends() -> tuple["Stream", trio.SocketStream]:
    """Return the two streams of a connection: ours over skypy, the other one over trio itself."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        port = listener.socket.getsockname()[1]
        fd = await of_asyncio(socket.open("127.0.0.1", port))
        return Stream(fd), await listener.accept()


class Stream(trio.abc.HalfCloseableStream):
    """A socket of this actor as a stream of trio."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.rest = b""
        self.finished = False
        self.closed = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint()
        self.check_writable()
        if not socket.write(self.fd, data):
            raise trio.BrokenResourceError
        await self.wait_send_all_might_not_block()

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()
        self.check_writable()
        await of_asyncio(socket.drain(self.fd))

    def check_writable(self) -> None:
        if self.closed or self.finished:
            raise trio.ClosedResourceError

    async def send_eof(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.closed:
            raise trio.ClosedResourceError
        self.finished = True
        socket.shutdown(self.fd, "w")

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if max_bytes is not None and operator.index(max_bytes) < 1:
            raise ValueError("max_bytes is at least 1")
        await trio.lowlevel.checkpoint()
        if self.closed:
            raise trio.ClosedResourceError
        data: bytes | None = self.rest
        if not data:
            data = await of_asyncio(socket.read(self.fd))
        data = data or b""
        size = len(data) if max_bytes is None else max_bytes
        self.rest = data[size:]
        return data[:size]

    async def aclose(self) -> None:
        self.closed = True  # also when the checkpoint is cancelled
        skypy.fork(socket.close, self.fd)
        await trio.lowlevel.checkpoint()


async def of_asyncio(waiting: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine of asyncio for a task of trio.

    Return its result, or raise its errors as trio's. A cancellation goes through.
    """
    guest = trio.lowlevel.current_task()
    task = asyncio.get_running_loop().create_task(waiting)
    task.add_done_callback(lambda _: trio.lowlevel.reschedule(guest))
    cancellations: list[trio.lowlevel.RaiseCancelT] = []

    def abort(raise_cancel: trio.lowlevel.RaiseCancelT) -> trio.lowlevel.Abort:
        cancellations.append(raise_cancel)
        task.cancel()
        return trio.lowlevel.Abort.FAILED  # it goes on when the task has ended

    await trio.lowlevel.wait_task_rescheduled(abort)
    if task.cancelled():
        cancellations[0]()
    try:
        return task.result()
    except skypy.SocketBusy as error:
        raise trio.BusyResourceError from error
    except skypy.SocketClosed as error:
        raise trio.ClosedResourceError from error
    except skypy.SocketBroken as error:
        raise trio.BrokenResourceError from error
