"""TCP in memory behaves as Linux's: each case is played on both, and so are scripts at random."""

import contextlib
import errno
import select
import socket
from collections.abc import Callable, Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from skypy.core.socket_info import TCP_INFO_SIZE, TcpInfo
from skypy.system.refuse_fin import refuse_fin
from skypy.system.socket_kernel import SocketKernel
from tests.contract.ends import KERNELS, Ends, Listener, Step, fill, pair

SERVER, CLIENT = 0, 1
READ, WRITE, BOTH = socket.SHUT_RD, socket.SHUT_WR, socket.SHUT_RDWR
RESET, PIPE, NOT_CONNECTED, AGAIN = "ECONNRESET", "EPIPE", "ENOTCONN", "EAGAIN"
_LONG_SECONDS = 10.0
"""A time that loopback never takes."""


@pytest.fixture(params=KERNELS)
def kernel(request: pytest.FixtureRequest) -> SocketKernel:
    return KERNELS[request.param]()


@pytest.fixture
def ends(kernel: SocketKernel) -> Iterator[Ends]:
    with pair(kernel) as ends:
        yield ends


def wait_for(kernel: SocketKernel, socket_: socket.socket, wanted: int) -> int:
    """Wait until the wanted events of a socket have come, and return all its events."""
    poller = kernel.poller()
    poller.add(socket_.fileno(), wanted)
    try:
        ready = poller.wait(_LONG_SECONDS)
        assert ready, "it does not come"
        return ready[0][1]
    finally:
        poller.remove(socket_.fileno())
        poller.close()


def sockets(ends: Ends) -> tuple[socket.socket, socket.socket]:
    server, client = ends.sockets
    assert server is not None
    assert client is not None
    return server, client


def read_all_there_is(kernel: SocketKernel, socket_: socket.socket, size: int) -> int:
    received = 0
    while received < size:
        wait_for(kernel, socket_, select.EPOLLIN)
        received += len(socket_.recv(1048576))
    return received


def read_to_the_end(socket_: socket.socket) -> list[bytes]:
    return list(iter(lambda: socket_.recv(1048576), b""))


def listen_on(socket_: socket.socket, address: tuple[str, int]) -> None:
    socket_.bind(address)
    socket_.listen(1)


# -- scripts -----------------------------------------------------------------------------------------------------------


WHICH = st.sampled_from([SERVER, CLIENT])
SIZES = st.sampled_from([1, 10, 2000])
STEPS = st.one_of(
    st.tuples(st.just("send"), WHICH, SIZES),
    st.tuples(st.just("recv"), WHICH, SIZES),
    st.tuples(st.just("peek"), WHICH, SIZES),
    st.tuples(st.just("events"), WHICH),
    st.tuples(st.just("events"), WHICH),
    st.tuples(st.just("shutdown"), WHICH, st.sampled_from([READ, WRITE, BOTH])),
    st.tuples(st.just("shut"), WHICH),
    st.tuples(st.just("error"), WHICH),
    st.tuples(st.sampled_from(["abort", "reset"]), WHICH),
)


def play(kernel: str, steps: list[Step]) -> list[object]:
    with pair(KERNELS[kernel]()) as ends:
        return ends.play(steps)


@settings(max_examples=400, derandomize=True, deadline=None)
@given(st.lists(STEPS, min_size=1, max_size=10))
@example([("shut", CLIENT), ("send", SERVER, 1), ("recv", SERVER, 1), ("send", SERVER, 1), ("error", SERVER)])
@example([("shutdown", SERVER, BOTH), ("send", CLIENT, 1), ("recv", SERVER, 1), ("send", CLIENT, 1)])
@example([("abort", SERVER), ("shutdown", SERVER, READ), ("events", SERVER), ("recv", SERVER, 1), ("recv", SERVER, 1)])
def test_any_steps_have_the_same_outcome_in_memory(steps: list[Step]) -> None:
    """Compare the outcomes on both kernels.

    The order of steps decides the outcome, but Linux may deliver a segment after the call that sent it: so it has
    several attempts.
    """
    in_memory = play("memory", steps)
    attempts = [in_memory == play("linux", steps)]
    while not attempts[-1] and len(attempts) < 5:
        attempts.append(in_memory == play("linux", steps))
    assert attempts[-1] or in_memory == play("linux", steps)


@pytest.mark.soak
@settings(max_examples=20_000, deadline=None)
@given(st.lists(STEPS, min_size=1, max_size=20))
def test_any_steps_have_the_same_outcome_in_memory_in_the_long_run(steps: list[Step]) -> None:
    assert any(play("memory", steps) == play("linux", steps) for _ in range(6))


# -- by name -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("steps", "outcomes"),
    [
        pytest.param(
            [("send", CLIENT, 3), ("shutdown", CLIENT, WRITE), ("recv", SERVER, 9), ("recv", SERVER, 9)],
            [3, None, b"BBB", b""],
            id="a half-close comes after the bytes",
        ),
        pytest.param(
            [("shutdown", CLIENT, WRITE), ("send", SERVER, 3), ("recv", CLIENT, 9), ("send", CLIENT, 1)],
            [None, 3, b"AAA", PIPE],
            id="who has finished still reads",
        ),
        pytest.param(
            [("send", SERVER, 3), ("abort", SERVER), ("recv", CLIENT, 9), ("recv", CLIENT, 9), ("recv", CLIENT, 9)],
            [3, None, b"AAA", RESET, b""],
            id="a reset is told once, after the bytes before it",
        ),
        pytest.param(
            [("send", SERVER, 3), ("recv", CLIENT, 1), ("shut", CLIENT), ("send", SERVER, 1), ("recv", SERVER, 1)],
            [3, b"A", None, RESET, b""],
            id="to close with unread bytes is a reset",
        ),
        pytest.param(
            [("shut", CLIENT), ("send", SERVER, 1), ("recv", SERVER, 1), ("send", SERVER, 1), ("send", SERVER, 1)],
            [None, 1, b"", PIPE, PIPE],
            id="the first write to who has closed is taken, the next is EPIPE",
        ),
        pytest.param(
            [("abort", CLIENT), ("send", SERVER, 1), ("send", SERVER, 1)],
            [None, RESET, PIPE],
            id="without a FIN before it is ECONNRESET",
        ),
        pytest.param(
            [("shutdown", CLIENT, WRITE), ("abort", CLIENT), ("recv", SERVER, 1), ("send", SERVER, 1)],
            [None, None, b"", PIPE],
            id="behind a FIN it is EPIPE, and told to writers alone",
        ),
        pytest.param(
            [("shutdown", SERVER, READ), ("recv", SERVER, 1), ("send", CLIENT, 2), ("recv", SERVER, 9)],
            [None, b"", 2, b"BB"],
            id="who reads no more is at the end, until bytes come",
        ),
        pytest.param(
            [("shutdown", SERVER, BOTH), ("send", CLIENT, 2), ("error", SERVER), ("error", CLIENT)],
            [None, 2, RESET, PIPE],
            id="bytes for who has shut both halves are a reset",
        ),
        pytest.param(
            [("shutdown", SERVER, WRITE), ("shutdown", CLIENT, WRITE), ("shutdown", SERVER, WRITE)],
            [None, None, NOT_CONNECTED],
            id="when both have finished nothing is left to be shut",
        ),
        pytest.param(
            [("abort", CLIENT), ("error", SERVER), ("error", SERVER), ("recv", SERVER, 1), ("send", SERVER, 1)],
            [None, RESET, None, b"", PIPE],
            id="SO_ERROR tells it once",
        ),
        pytest.param(
            [("abort", CLIENT), ("error", CLIENT), ("recv", CLIENT, 1), ("send", CLIENT, 1)],
            [None, RESET, NOT_CONNECTED, PIPE],
            id="who has aborted is not connected",
        ),
        pytest.param(
            [("send", CLIENT, 3), ("peek", SERVER, 2), ("recv", SERVER, 2), ("recv", SERVER, 2), ("recv", SERVER, 2)],
            [3, b"BB", b"BB", b"B", AGAIN],
            id="bytes are there once",
        ),
        pytest.param(
            [("events", SERVER), ("send", CLIENT, 1), ("events", SERVER), ("recv", SERVER, 1), ("events", SERVER)],
            [["EPOLLOUT"], 1, ["EPOLLIN", "EPOLLOUT"], b"B", ["EPOLLOUT"]],
            id="readiness is by level",
        ),
        pytest.param(
            [("shutdown", CLIENT, WRITE), ("events", SERVER), ("shutdown", SERVER, WRITE), ("events", SERVER)],
            [None, ["EPOLLIN", "EPOLLOUT", "EPOLLRDHUP"], None, ["EPOLLHUP", "EPOLLIN", "EPOLLOUT", "EPOLLRDHUP"]],
            id="EPOLLHUP when both have finished",
        ),
        pytest.param(
            [("abort", CLIENT), ("events", SERVER), ("error", SERVER), ("events", SERVER)],
            [
                None,
                ["EPOLLERR", "EPOLLHUP", "EPOLLIN", "EPOLLOUT", "EPOLLRDHUP"],
                RESET,
                ["EPOLLHUP", "EPOLLIN", "EPOLLOUT", "EPOLLRDHUP"],
            ],
            id="EPOLLERR until the error is told",
        ),
    ],
)
def test_these_steps_have_these_outcomes(ends: Ends, steps: list[Step], outcomes: list[object]) -> None:
    assert ends.play(steps) == outcomes


# -- buffers -----------------------------------------------------------------------------------------------------------


def test_full_buffers_take_no_more_until_the_peer_has_read(kernel: SocketKernel, ends: Ends) -> None:
    server, client = sockets(ends)
    sent = fill(client)
    assert ends.play([("events", CLIENT)]) == [[]]
    assert kernel.unacknowledged(client) > 0
    assert read_all_there_is(kernel, server, sent) == sent
    wait_for(kernel, client, select.EPOLLOUT)
    assert client.send(b"x") == 1


def test_a_fin_waits_behind_full_buffers(kernel: SocketKernel, ends: Ends) -> None:
    server, client = sockets(ends)
    sent = fill(client)
    client.close()
    assert read_all_there_is(kernel, server, sent) == sent
    wait_for(kernel, server, select.EPOLLRDHUP)
    assert server.recv(1) == b""


def test_a_reset_overtakes_what_waits_in_full_buffers(kernel: SocketKernel, ends: Ends) -> None:
    server, client = sockets(ends)
    sent = fill(client)
    kernel.force_reset(client)
    wait_for(kernel, server, select.EPOLLRDHUP)
    assert 0 < len(server.recv(1048576)) < sent
    with pytest.raises(ConnectionResetError):
        read_to_the_end(server)


def test_bytes_unread_when_the_peer_closes_are_lost_with_a_reset(kernel: SocketKernel, ends: Ends) -> None:
    server, client = sockets(ends)
    fill(client)
    server.close()
    wait_for(kernel, client, select.EPOLLRDHUP)
    with pytest.raises(ConnectionResetError):
        client.recv(1)


def test_nothing_is_unacknowledged_once_the_peer_has_everything(kernel: SocketKernel, ends: Ends) -> None:
    server, client = sockets(ends)
    client.send(b"x" * 1000)
    client.shutdown(WRITE)
    server.send(b"an answer carries the acknowledgement")
    wait_for(kernel, client, select.EPOLLIN)
    assert kernel.unacknowledged(client) == 0


def test_both_kernels_count_what_was_received_and_acknowledged(kernel: SocketKernel, ends: Ends) -> None:
    server, client = sockets(ends)
    client.send(b"x" * 1000)
    client.shutdown(WRITE)
    server.send(b"y" * 100)
    server.shutdown(WRITE)
    wait_for(kernel, client, select.EPOLLRDHUP)
    ours, theirs = (TcpInfo.parse(kernel.tcp_info(socket_.fileno(), TCP_INFO_SIZE)) for socket_ in (server, client))
    assert (ours.acknowledged, ours.received) == (100 + 1, 1000 + 1)
    assert (theirs.acknowledged, theirs.received) == (1000 + 1 + 1, 100 + 1)  # the client has sent a SYN


# -- descriptors -------------------------------------------------------------------------------------------------------


def test_a_connection_lives_as_long_as_any_descriptor_of_it(kernel: SocketKernel, ends: Ends) -> None:
    server, client = sockets(ends)
    duplicate = kernel.duplicate(client.fileno())
    client.close()
    assert ends.play([("events", SERVER)]) == [["EPOLLOUT"]]
    assert kernel.write(duplicate, b"x") == 1
    kernel.close(duplicate)
    wait_for(kernel, server, select.EPOLLRDHUP)
    assert server.recv(2) == b"x"
    assert server.recv(2) == b""
    with pytest.raises(OSError, match=r"\[Errno 9\]"):
        kernel.write(duplicate, b"x")


def test_a_half_is_shut_for_every_descriptor(kernel: SocketKernel, ends: Ends) -> None:
    _, client = sockets(ends)
    duplicate = kernel.duplicate(client.fileno())
    client.shutdown(WRITE)
    with pytest.raises(BrokenPipeError):
        kernel.writev(duplicate, [b"x", b"y"])
    kernel.close(duplicate)


def test_an_abort_is_one_for_every_descriptor(kernel: SocketKernel, ends: Ends) -> None:
    server, client = sockets(ends)
    duplicate = kernel.duplicate(client.fileno())
    kernel.force_reset(client)
    with pytest.raises(ConnectionResetError):
        kernel.write(duplicate, b"x")
    with pytest.raises(ConnectionResetError):
        server.recv(1)
    kernel.close(duplicate)


def test_a_side_that_refuses_the_fin_does_not_see_it(kernel: SocketKernel, ends: Ends) -> None:
    server, client = sockets(ends)
    refuse_fin(server)
    client.send(b"x")
    client.shutdown(WRITE)
    wait_for(kernel, server, select.EPOLLIN)
    assert server.recv(9) == b"x"
    assert ends.play([("events", SERVER), ("recv", SERVER, 1)]) == [["EPOLLOUT"], AGAIN]


# -- being connected ---------------------------------------------------------------------------------------------------


def error_of(kernel: SocketKernel, socket_: socket.socket) -> int:
    wait_for(kernel, socket_, select.EPOLLOUT)
    return socket_.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


def test_nobody_listens(kernel: SocketKernel) -> None:
    listener = Listener(kernel)
    listener.socket.close()
    with contextlib.closing(listener.connect()) as socket_:
        assert error_of(kernel, socket_) == errno.ECONNREFUSED


def test_a_connected_client_waits_to_be_accepted_and_may_write(kernel: SocketKernel) -> None:
    listener = Listener(kernel)
    with contextlib.closing(listener.socket), contextlib.closing(listener.connect()) as client:
        assert error_of(kernel, client) == 0
        assert client.send(b"early") == 5
        server, address = listener.socket.accept()
        with contextlib.closing(server):
            assert address == client.getsockname()
            assert client.getpeername() == listener.address
            assert server.recv(9) == b"early"


@pytest.mark.parametrize("stop", [lambda one: one.close(), lambda one: one.shutdown(BOTH)], ids=["close", "shutdown"])
def test_a_client_that_waits_to_be_accepted_is_reset_when_listening_ends(
    kernel: SocketKernel, stop: Callable[[socket.socket], None]
) -> None:
    listener = Listener(kernel)
    with contextlib.closing(listener.connect()) as client:
        assert error_of(kernel, client) == 0
        stop(listener.socket)
        wait_for(kernel, client, select.EPOLLRDHUP)
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    listener.socket.close()


def test_a_client_beyond_the_backlog_waits_to_be_connected(kernel: SocketKernel) -> None:
    listener = Listener(kernel, backlog=1)
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.closing(listener.socket))
        first, second, third = [stack.enter_context(contextlib.closing(listener.connect())) for _ in range(3)]
        for one in (first, second):  # Linux takes one more than the backlog
            assert error_of(kernel, one) == 0
        poller = kernel.poller()
        poller.add(third.fileno(), select.EPOLLOUT | select.EPOLLIN)
        assert poller.wait(0) == []
        poller.remove(third.fileno())
        poller.close()
        listener.socket.accept()[0].close()
        assert error_of(kernel, third) == 0  # its SYN is sent again after a second


def test_an_address_is_taken_once(kernel: SocketKernel) -> None:
    listener = Listener(kernel)
    with (
        contextlib.closing(listener.socket),
        contextlib.closing(kernel.stream_socket(socket.AF_INET)) as other,
        pytest.raises(OSError, match="Address already in use"),
    ):
        listen_on(other, listener.address)


def test_an_address_of_another_machine_cannot_be_listened_on(kernel: SocketKernel) -> None:
    with (
        contextlib.closing(kernel.stream_socket(socket.AF_INET)) as socket_,
        pytest.raises(OSError, match="Cannot assign requested address"),
    ):
        listen_on(socket_, ("203.0.113.1", 0))


def test_no_client_waits_to_be_accepted(kernel: SocketKernel) -> None:
    listener = Listener(kernel)
    with contextlib.closing(listener.socket):
        listener.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.socket.accept()
