"""Making sockets and reading from them, both ends in one actor."""

import asyncio
import errno
import random
import socket as kernel
import struct

import pytest

import skypy
from skypy import socket
from tests.node.scenarios import connection, offer


@skypy.start
async def main() -> None:
    await offer(__name__)


# -- lines -------------------------------------------------------------------------------------------------------------


async def test_lines_come_without_separator_and_an_empty_line_is_not_the_end() -> None:
    async with connection() as (here, there):
        socket.write(there, b"a\n\nb\nrest")
        assert [await socket.readline(here) for _ in range(3)] == [b"a", b"", b"b"]
        socket.shutdown(there, "w")
        assert await socket.readline(here) is None
        assert await socket.readline(here) is None
        assert await socket.read(here) == b"rest"
        assert await socket.read(here) is None


async def test_a_separator_may_have_several_bytes_and_come_in_pieces() -> None:
    async with connection() as (here, there):
        reading = asyncio.create_task(socket.readline(here, b"\r\n\r\n"))
        for piece in (b"a\r", b"\nb\r\n", b"\r", b"\nrest\n"):
            socket.write(there, piece)
            await skypy.sleep(0.001)
        assert await reading == b"a\r\nb"
        assert await socket.readline(here) == b"rest"


async def test_the_separator_may_change_from_line_to_line() -> None:
    async with connection() as (here, there):
        socket.write(there, b"a;b\nc;d\ne;")
        assert await socket.readline(here, b";") == b"a"
        assert await socket.readline(here) == b"b"
        assert await socket.read(here, 1) == b"c"
        assert await socket.readline(here, b"\n") == b";d"
        assert await socket.readline(here, b";") == b"e"


async def test_a_line_of_the_limit_is_read_and_a_longer_one_raises_and_stays() -> None:
    async with connection() as (here, there):
        socket.write(there, b"12345678\n123456789\nnext\n")
        assert await socket.readline(here, limit=8) == b"12345678"
        for _ in range(2):
            with pytest.raises(skypy.BufferLimit):
                await socket.readline(here, limit=8)
        assert await socket.readline(here, limit=9) == b"123456789"
        assert await socket.readline(here, limit=8) == b"next"


async def test_more_bytes_than_the_limit_without_separator_raise_at_once_and_stay() -> None:
    async with connection() as (here, there):
        socket.write(there, b"x" * 65537)
        with pytest.raises(skypy.BufferLimit):
            await socket.readline(here)
        assert await socket.read(here, 65537) == b"x" * 65537


async def test_a_line_may_be_far_longer_than_the_window() -> None:
    line = bytes(range(11, 256)) * 40000
    async with connection() as (here, there):
        socket.write(there, line + b"\n")
        assert await socket.readline(here, limit=len(line)) == line


async def test_an_empty_separator_is_refused() -> None:
    async with connection() as (here, _):
        with pytest.raises(ValueError, match="separator"):
            await socket.readline(here, b"")


# -- bytes -------------------------------------------------------------------------------------------------------------


async def test_read_gives_what_has_arrived_and_then_none_at_the_end() -> None:
    async with connection() as (here, there):
        socket.write(there, b"abc")
        assert await socket.read(here) == b"abc"
        socket.shutdown(there, "w")
        assert await socket.read(here) is None


async def test_read_of_n_bytes_waits_for_all_of_them() -> None:
    async with connection() as (here, there):
        reading = asyncio.create_task(socket.read(here, 5))
        for piece in (b"ab", b"cd", b"ef"):
            socket.write(there, piece)
            await skypy.sleep(0.001)
        assert await reading == b"abcde"
        assert await socket.read(here, 0) == b""
        assert await socket.read(here) == b"f"


async def test_fewer_than_n_bytes_before_the_end_stay() -> None:
    async with connection() as (here, there):
        socket.write(there, b"abc")
        socket.shutdown(there, "w")
        assert await socket.read(here, 4) is None
        assert await socket.read(here, 2) == b"ab"
        assert await socket.read(here) == b"c"
        assert await socket.read(here, 0) == b""


async def test_read_of_many_more_bytes_than_the_window_comes_to_its_end() -> None:
    data = bytes(range(256)) * 20000
    async with connection() as (here, there):
        socket.write(there, data * 2)
        assert await socket.read(here, len(data)) == data
        assert await socket.read(here, len(data)) == data


async def test_readall_gives_everything_up_to_the_end_and_afterwards_nothing() -> None:
    data = bytes(range(256)) * 20000
    async with connection() as (here, there):
        socket.write(there, b"line\n" + data)
        socket.shutdown(there, "w")
        assert await socket.readline(here) == b"line"
        assert await socket.readall(here) == data
        assert await socket.readall(here) == b""


async def test_every_byte_comes_once_and_in_order_whatever_the_mixture_of_calls() -> None:
    source = random.Random(0)
    data = bytes(source.choices(b"abc;\n\r", k=200_000))
    received = bytearray()
    async with connection() as (here, there):

        async def send() -> None:
            for start in range(0, len(data), 997):
                socket.write(there, data[start : start + 997])
                if source.random() < 0.1:
                    await skypy.sleep(0)
            socket.shutdown(there, "w")

        sending = asyncio.create_task(send())
        while len(received) < len(data):
            separator = source.choice((b"", b"\n", b"\n", b"\n", b";", b"\r\n"))
            if separator and (line := await socket.readline(here, separator)) is not None:
                assert separator not in line
                received += line + separator
            elif (some := await socket.read(here, source.choice((None, 1, 10, 1000)))) is not None:
                received += some
        assert received == data
        await sending


# -- the reader --------------------------------------------------------------------------------------------------------


async def test_a_time_limit_around_readline_takes_nothing() -> None:
    async with connection() as (here, there):
        for piece in (b"a", b"b"):
            socket.write(there, piece)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await socket.readline(here)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await socket.read(here, 10)
        socket.write(there, b"c\n")
        assert await socket.readline(here) == b"abc"


async def test_bytes_that_come_with_the_cancellation_are_not_taken_either() -> None:
    async with connection() as (here, there):
        reading = skypy.fork(socket.read, here)
        await skypy.sleep(0)
        socket.write(there, b"abc")
        await skypy.sleep(0)
        reading.cancel()
        await asyncio.wait([reading])
        taken = await socket.read(here) if reading.cancelled() else reading.result()
        assert taken == b"abc"


async def test_a_second_reader_raises_socket_busy_and_the_first_one_goes_on() -> None:
    async with connection() as (here, there):
        reading = asyncio.create_task(socket.readline(here))
        await skypy.sleep(0.001)
        for call in (socket.readline(here), socket.read(here), socket.readall(here)):
            with pytest.raises(skypy.SocketBusy):
                await call
        socket.write(there, b"line\n")
        assert await reading == b"line"


async def test_a_reader_whose_socket_is_closed_gets_socket_closed() -> None:
    async with connection() as (here, _):
        reading = asyncio.create_task(socket.readline(here))
        await skypy.sleep(0)
        await socket.close(here)
        with pytest.raises(skypy.SocketClosed):
            await reading
        with pytest.raises(skypy.SocketClosed):
            await socket.read(here)


async def test_readers_of_a_task_group_read_their_own_sockets() -> None:
    async with connection() as (a, b), connection() as (c, d), asyncio.TaskGroup() as group:
        first, second = group.create_task(socket.readline(a)), group.create_task(socket.readline(c))
        socket.write(d, b"second\n")
        assert await second == b"second"
        socket.write(b, b"first\n")
        assert await first == b"first"


# -- making sockets ----------------------------------------------------------------------------------------------------


async def test_addresses_are_text_with_a_host_and_a_port() -> None:
    async with connection() as (here, there):
        local, peer = socket.local_address(here), socket.peer_address(here)
        assert (socket.local_address(there), socket.peer_address(there)) == (peer, local)
        assert str(local) == f"127.0.0.1:{local.port}"
        assert (local.host, peer.host) == ("127.0.0.1", "127.0.0.1")
        assert 0 < local.port != peer.port
    with pytest.raises(skypy.SocketClosed):
        socket.local_address(here)


async def test_fds_are_never_given_out_twice() -> None:
    async with connection() as first:
        pass
    async with connection() as second:
        assert min(second) > max(first)


async def test_open_to_a_port_without_a_listener_is_refused() -> None:
    with kernel.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(ConnectionRefusedError, match=rf"cannot connect to 127\.0\.0\.1:{port}") as caught:
        await socket.open("127.0.0.1", port)
    assert caught.value.errno == errno.ECONNREFUSED
    with pytest.raises(ConnectionRefusedError):
        await socket.open("127.0.0.1", port, timeout=1000)


async def test_open_raises_timeout_error_without_an_answer() -> None:
    with kernel.create_server(("127.0.0.1", 0), backlog=0) as server:
        host, port = server.getsockname()
        others = [kernel.socket() for _ in range(4)]
        for other in others:  # the first ones fill the queue, the answers to the others are dropped
            other.setblocking(False)
            other.connect_ex((host, port))
        with pytest.raises(TimeoutError):
            await socket.open(host, port, timeout=0.05)
        opening = skypy.fork(socket.open, host, port)
        await skypy.sleep(0.01)
        opening.cancel()  # closes the attempt
        with pytest.raises(asyncio.CancelledError):
            await opening
        for other in others:
            other.close()


async def test_a_port_that_is_taken_cannot_be_listened_on() -> None:
    listener = await socket.listen("127.0.0.1", 0)
    port = socket.local_address(listener).port
    with pytest.raises(
        skypy.ListenError, match=rf"cannot listen on 127\.0\.0\.1:{port}: Address already in use"
    ) as caught:
        await socket.listen("127.0.0.1", port)
    assert isinstance(caught.value, OSError)
    await socket.close(listener)
    for _ in range(20):  # a port is free as soon as its listener is closed
        again = await socket.listen("127.0.0.1", port)
        assert again > listener
        await socket.close(again)


async def test_open_to_a_peer_that_resets_at_once_harms_no_other_socket() -> None:
    reset = struct.pack("ii", 1, 0)
    with kernel.create_server(("127.0.0.1", 0)) as server:
        host, port = server.getsockname()

        def reset_everybody() -> None:
            for _ in range(100):
                end, _ = server.accept()
                end.setsockopt(kernel.SOL_SOCKET, kernel.SO_LINGER, reset)
                end.close()

        resetting = asyncio.create_task(asyncio.to_thread(reset_everybody))
        opened = await asyncio.gather(*(socket.open(host, port) for _ in range(100)), return_exceptions=True)
        await resetting
    assert all(isinstance(end, int | ConnectionResetError) for end in opened)
    for end in opened:
        if isinstance(end, int):
            await socket.close(end)


async def test_a_reset_raises_socket_broken_once_then_none() -> None:
    listener = await socket.listen("127.0.0.1", 0)
    accepted: list[int] = []
    await socket.start(listener, lambda fd, address: accepted.append(fd))
    with kernel.create_connection(("127.0.0.1", socket.local_address(listener).port)) as client:
        while not accepted:
            await skypy.sleep(0.001)
        await socket.start(accepted[0])
        client.sendall(b"before\n")
        client.setsockopt(kernel.SOL_SOCKET, kernel.SO_LINGER, struct.pack("ii", 1, 0))
    assert await socket.readline(accepted[0]) == b"before"
    with pytest.raises(skypy.SocketBroken) as caught:
        await socket.read(accepted[0])
    assert caught.value.errno == errno.ECONNRESET
    assert await socket.read(accepted[0]) is None
    assert socket.write(accepted[0], b"x") is False
    await socket.close(listener)
    await socket.close(accepted[0])
