"""The end of a node: in order when it is asked to, at once when it is asked twice, by force when a service is stuck."""

import os
import signal
import socket
from collections.abc import Callable

import pytest

from tests.node.clients import finish, read_exactly, read_to_end, refuses_clients
from tests.node.harness import RunningNode, running

A_LOT = b"goodbye\n" * (1 << 20)


def to_the_group(node: RunningNode) -> None:
    os.killpg(node.pid, signal.SIGINT)


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda node: node.signal(signal.SIGTERM), id="SIGTERM"),
        pytest.param(lambda node: node.signal(signal.SIGINT), id="SIGINT"),
        pytest.param(to_the_group, id="SIGINT to the whole group, as Ctrl-C in a terminal"),
    ],
)
def test_a_signal_ends_it_in_order(ask: Callable[[RunningNode], None]) -> None:
    with running("stopping", "workers=2") as node, node.connect() as client, node.connect() as reader:
        for end, line in ((client, b"hello\n"), (reader, b"a lot\n")):
            end.sendall(line)
            assert read_exactly(end, 6) == line
        ask(node)
        assert read_to_end(client) == b"goodbye\n"
        node.wait_for_line("the first stop function runs")
        node.wait_for_line("the second stop function runs")  # both are done: what they wrote is on its way
        assert read_to_end(reader) == A_LOT
        client.close()
        reader.close()
        assert node.wait() == 0
    for name in ("a fork", "a task of asyncio"):
        order = ["stopping; a second signal", "the first stop", "the second stop", f"{name} cleans up"]
        assert sorted(order, key=node.text().index) == order


def test_a_client_that_connects_while_it_ends_is_refused() -> None:
    with running("stopping") as node, node.connect() as client:
        client.sendall(b"hello\n")
        assert read_exactly(client, 6) == b"hello\n"
        node.signal(signal.SIGTERM)
        node.wait_for_line("the first stop function runs")
        node.eventually(lambda: refuses_clients(node), "clients can still connect")
        finish(client)


def test_a_second_signal_ends_it_at_once() -> None:
    with running("hanging", "workers=2", "stop_timeout=1000") as node:
        node.signal(signal.SIGTERM)
        node.wait_for_line(r"^\[:01000001\] hanging$")
        node.signal(signal.SIGTERM)
        assert node.wait() == 0


def test_signals_up_to_its_very_end_do_not_change_how_it_ends() -> None:
    with running("stopping", "workers=2") as node:

        def ended_by_another_signal() -> bool:
            node.signal(signal.SIGINT)
            return not node.running()

        node.eventually(ended_by_another_signal, "it does not end")
        assert node.wait() == 0


def test_a_stop_function_that_takes_too_long_is_cancelled_and_the_rest_happens() -> None:
    with running("hanging", "stop_timeout=0.2") as node:
        node.expect_trouble(r"^\[:01000001\] error in hang$")
        node.allow_trouble("Traceback|CancelledError|TimeoutError|exception")
        node.signal(signal.SIGTERM)
        node.wait_for_line("the second stop function runs")


def test_a_stuck_worker_is_killed_after_stop_timeout_and_the_log_says_so() -> None:
    with running("stuck", "workers=2", "stop_timeout=0.2") as node:
        node.wait_for_line("working")
        node.signal(signal.SIGTERM)
        node.wait_for_line(r"^\[node\] worker 1 did not end within stop_timeout \(0\.2 s\): killed$")
        assert node.wait() == 0


def test_a_client_that_does_not_read_holds_it_up_no_longer_than_stop_timeout() -> None:
    with running("stopping", "stop_timeout=0.2") as node, node.connect() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(b"a lot\n")
        assert read_exactly(client, 6) == b"a lot\n"
        node.signal(signal.SIGTERM)
        node.expect_trouble(r"^\[:01000001\] socket: error on \d+ not delivered in time$")
        with pytest.raises(ConnectionResetError):  # never a clean end-of-file in the middle
            read_to_end(client)
        assert node.wait() == 0


def test_a_service_that_a_stop_function_starts_stops_in_order_too() -> None:
    with running("heirs", "workers=2") as node:
        node.wait_for_line("started at")
        node.signal(signal.SIGTERM)
        node.wait_for_line(r"^\[:01\w+\] parent: late ")  # it has started, or it is refused: nothing waits for ever
        assert node.wait() == 0
    order = [f"{role} stops" for role in ("parent", "child", "grandchild")]
    assert sorted(order, key=node.text().index) == order
    assert node.has_line(r"^\[:01\w+\] anywhere stops$")
    assert ("late has started" in node.text()) == ("late stops" in node.text())


def test_a_stop_function_does_not_wait_for_a_service_whose_worker_has_died() -> None:
    with running("heirs", "start=heirs witness", "workers=2", "stop_timeout=1000") as node:
        node.wait_for_line("started at")
        node.signal(signal.SIGTERM)
        node.wait_for_line(r"^\[:01\w+\] refused: its worker ended with exit status 3")
        assert node.wait() == 0
