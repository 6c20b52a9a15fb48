"""Lanes in memory are Unix-domain streams: bytes in order, no more than fits, descriptors with their own bytes."""

import array
import socket
from collections.abc import Iterator

import pytest

from skypy.system.socket_kernel import SocketKernel
from tests.contract.ends import KERNELS, fill, pair

Lane = tuple[socket.socket, socket.socket]


@pytest.fixture(params=KERNELS)
def kernel(request: pytest.FixtureRequest) -> SocketKernel:
    return KERNELS[request.param]()


@pytest.fixture
def lane(kernel: SocketKernel) -> Iterator[Lane]:
    one, other = kernel.lane_pair()
    for socket_ in (one, other):
        socket_.setblocking(False)
    yield one, other
    one.close()
    other.close()


def send_with(socket_: socket.socket, data: bytes, *descriptors: int) -> None:
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
    assert socket_.sendmsg([data], rights) == len(data)


def receive(socket_: socket.socket) -> tuple[bytes, list[int]]:
    """Return the bytes of one call, and the descriptors that came with them."""
    buffer = bytearray(1000)
    count, rights, _, _ = socket_.recvmsg_into([memoryview(buffer)], socket.CMSG_SPACE(64))
    numbers = array.array("i")
    for _, _, data in rights:
        numbers.frombytes(data)
    return bytes(buffer[:count]), list(numbers)


def test_bytes_come_in_order_and_then_the_end(lane: Lane) -> None:
    one, other = lane
    one.send(b"first")
    one.send(b"second")
    one.close()
    assert receive(other) == (b"firstsecond", [])
    assert receive(other) == (b"", [])


def test_nothing_has_come(lane: Lane) -> None:
    with pytest.raises(BlockingIOError):
        receive(lane[1])


def test_the_receiver_is_gone(lane: Lane) -> None:
    one, other = lane
    other.close()
    with pytest.raises(BrokenPipeError):
        one.send(b"x")


def test_a_full_lane_takes_more_when_it_was_read(lane: Lane) -> None:
    one, other = lane
    sent = fill(one)
    received = 0
    while received < sent:
        received += len(receive(other)[0])
    assert one.send(b"y") == 1


def test_descriptors_come_with_the_bytes_they_were_sent_with(kernel: SocketKernel, lane: Lane) -> None:
    one, other = lane
    with pair(kernel) as ends:
        server, client = ends.sockets
        assert server is not None
        assert client is not None
        send_with(one, b"a")
        send_with(one, b"b", server.fileno())
        send_with(one, b"c", client.fileno())
        data, numbers = receive(other)
        while not numbers:  # Linux gives bytes before them with them, or by themselves
            more, numbers = receive(other)
            data += more
        assert data == b"ab"
        assert kernel.write(numbers[0], b"written by a copy") == 17
        data, more_numbers = receive(other)
        assert (data, len(more_numbers)) == (b"c", 1)
        assert ends.play([("recv", 1, 99)]) == [b"written by a copy"]
        for number in (*numbers, *more_numbers):
            kernel.close(number)


def test_a_descriptor_that_was_not_received_dies_with_its_lane(kernel: SocketKernel, lane: Lane) -> None:
    one, other = lane
    with pair(kernel) as ends:
        server, _ = ends.sockets
        assert server is not None
        send_with(one, b"a", server.fileno())
        ends.play([("shut", 0)])
        assert ends.play([("recv", 1, 9)]) == ["EAGAIN"]
        other.close()
        assert ends.play([("recv", 1, 9)]) == [b""]
