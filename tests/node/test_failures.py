"""Code of a running service that fails: the log names file and line, the client is let go, everything else goes on."""

import re
from collections.abc import Iterator

import pytest

from tests.node.clients import finish, is_gone, read_exactly, read_to_end, refuses_clients
from tests.node.harness import SERVICES, RunningNode, running

SOURCE = (SERVICES / "failing.py").read_text().splitlines()


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningNode]:
    with running("failing", "socket.claim_timeout=0.1") as node:
        yield node


@pytest.fixture(scope="module")
def target(shared: RunningNode) -> int:
    """The port whose clients get what the test has asked for."""
    return int(shared.wait_for_line(r"target (\d+)$")[1])


def do(node: RunningNode, line: str) -> None:
    """Let the service do something; it answers when it is done, and so serves on."""
    with node.connect() as client:
        client.sendall(line.encode() + b"\n")
        assert read_exactly(client, len(line) + 1).decode() == line + "\n"


def expect_traceback(node: RunningNode, first_line: str, raising: str) -> None:
    """One traceback, which leads to a line of the service."""
    number = 1 + SOURCE.index(f"    {raising}")
    node.expect_trouble(rf"^\[:01000001\] {first_line}$")
    node.expect_trouble(r"^\[:01000001\] Traceback \(most recent call last\):$")
    node.expect_trouble(rf'^\[:01000001\]   File "{re.escape(str(SERVICES))}/failing\.py", line {number}, in \w+$')
    node.expect_trouble(r"^\[:01000001\] (ValueError|SystemExit|KeyboardInterrupt)\b")
    node.allow_trouble(re.escape(raising))


# -- accept ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "raising"),
    [
        ("raise_before_start", 'raise ValueError("before start")'),
        ("raise_plainly", 'raise ValueError("plainly")'),
        ("raise_after_start", 'raise ValueError("after start")'),
        ("exit_in_accept", 'sys.exit("in accept")'),
        ("exit_later_in_accept", 'sys.exit("later in accept")'),
    ],
)
def test_the_client_of_an_accept_function_that_raises_is_gone(
    node: RunningNode, target: int, function: str, raising: str
) -> None:
    do(node, f"accept {function}")
    with node.connect(target) as client:
        expect_traceback(node, rf"error in accept of 127\.0\.0\.1:{client.getsockname()[1]}", raising)
        client.sendall(b"a line\n")
        assert is_gone(client)
    do(node, "accept raise_plainly")


def test_output_that_is_still_queued_when_it_raises_is_dropped_and_the_client_is_told_by_a_reset(
    node: RunningNode, target: int
) -> None:
    do(node, "accept raise_with_output")
    expect_traceback(node, "error in accept of .*", 'raise ValueError("with output")')
    with pytest.raises(ConnectionResetError), node.connect(target) as client:  # it may meet connect already
        read_to_end(client)


def test_output_before_a_close_arrives_even_if_the_service_raises_after_it(node: RunningNode, target: int) -> None:
    do(node, "accept raise_after_close")
    expect_traceback(node, "error in accept of .*", 'raise ValueError("after close")')
    with node.connect(target) as client:
        assert read_to_end(client) == b"goodbye\n"


# -- a client that no actor starts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", ["return_at_once", "return_plainly", "start_too_late"])
def test_a_client_that_no_actor_starts_is_closed_after_claim_timeout_with_a_line(
    node: RunningNode, target: int, function: str
) -> None:
    do(node, f"accept {function}")
    with node.connect(target) as client:
        port = client.getsockname()[1]
        client.sendall(b"is anybody there?\n")
        assert is_gone(client)
    fd = node.wait_for_line(r"fd (\d+)$")[1]
    node.wait_for_line(
        rf"^\[:01000001\] socket: {fd} from 127\.0\.0\.1:{port} was not started by any actor "
        r"within claim_timeout \(0\.1 s\): closed$"
    )


def test_a_client_that_a_task_of_its_own_starts_in_time_is_kept(node: RunningNode, target: int) -> None:
    do(node, "accept start_in_time")
    with node.connect(target) as client:
        assert read_exactly(client, 8) == b"in time\n"
        finish(client)
        assert read_to_end(client) == b""
    assert not node.has_line("claim_timeout")


# -- tasks -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "function", "first_line", "raising"),
    [
        ("fork", "coroutine", "error in task coroutine", 'raise ValueError("in a coroutine function")'),
        ("fork", "late_coroutine", "error in task late_coroutine", 'raise ValueError("later")'),
        ("fork", "plain", "error in task plain", 'raise ValueError("in a plain function")'),
        ("fork", "exiting", "error in task exiting", 'sys.exit("in a task")'),
        ("fork", "late_exiting", "error in task late_exiting", 'sys.exit("later")'),
        ("fork", "plain_exiting", "error in task plain_exiting", 'sys.exit("plainly")'),
        ("fork", "interrupted", "error in task interrupted", "raise KeyboardInterrupt"),
        ("timeout", "coroutine", "error in (task )?coroutine", 'raise ValueError("in a coroutine function")'),
        ("timeout", "late_coroutine", "error in task late_coroutine", 'raise ValueError("later")'),
        ("timeout", "plain", "error in plain", 'raise ValueError("in a plain function")'),
        ("timeout", "exiting", "error in (task )?exiting", 'sys.exit("in a task")'),
        ("timeout", "plain_exiting", "error in plain_exiting", 'sys.exit("plainly")'),
    ],
)
def test_a_task_that_raises_ends_alone(
    node: RunningNode, verb: str, function: str, first_line: str, raising: str
) -> None:
    expect_traceback(node, first_line, raising)
    do(node, f"{verb} {function}")


def test_an_asyncio_task_that_is_never_awaited_logs_its_exception_when_it_is_freed(node: RunningNode) -> None:
    expect_traceback(node, "Task exception was never retrieved", 'raise ValueError("later")')
    node.allow_trouble(r"^\[:01000001\] future: <Task finished name=")
    do(node, "task late_coroutine")
    do(node, "forget attempts")


# -- exit --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["fork", "timeout"])
def test_exit_ends_the_service_in_order_and_the_node_lives_on(verb: str) -> None:
    with running("failing") as node:
        with node.connect() as client:
            client.sendall(f"{verb} leave\n".encode())
            assert read_to_end(client).decode() in (f"{verb} leave\n", "")
        node.wait_for_line(r"^\[:01000001\] left$")
        node.wait_for_line(r"^\[:01000001\] the stop function runs$")
        node.eventually(lambda: refuses_clients(node), "its listener is still there")
