"""Processes that services fork: they keep nothing of the node's, are no part of it, and do not outlive their worker."""

import json
import os
import signal
import socket
from collections.abc import Iterator

import pytest

from tests.node.clients import is_gone
from tests.node.harness import RunningNode, free_port, running

FORKS = ["plain", "grandchild", "terminal", "thread", "thread_beside_locks", "process", "program"]
"""The ways to fork in which the child does any job."""
POOLS = ["early_pool", "executor", "executor_of_forkserver", "executor_of_spawn", "pool", "manager"]
ENDS = ["computing_executor", "stubborn_executor", "computing_pool", "stubborn_process"]
WAYS_BACK = {"exit": 7, "exit_with_a_text": 1, "raise": 1, "interrupt": 1, "return": 0}
"""The ways in which a child comes back from the code that has forked it, and its exit status then."""


@pytest.fixture(scope="module")
def forking() -> Iterator[RunningNode]:
    """A node whose service has pools and children of all kinds when it is asked to stop, and that leaves none."""
    with running("forking", "workers=2") as node:
        yield node
        node.signal(signal.SIGTERM)


def ask(client: socket.socket, way: str, job: str) -> list[str]:
    """Let the service fork; return what the child has found out."""
    client.sendall(f"{way} {job}\n".encode())
    with client.makefile("rb") as file:
        found: list[str] = json.loads(file.readline())
        return found


# -- what a child keeps ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", FORKS + POOLS)
def test_a_child_keeps_no_socket_and_no_epoll_of_its_worker(forking: RunningNode, way: str) -> None:
    with forking.connect() as client, forking.connect():
        in_worker = set(ask(client, "here", "links"))
        in_child = ask(client, way, "links")
    assert len([link for link in in_worker if link.startswith("socket:")]) >= 8  # so many are there to be kept
    assert not [link for link in in_child if link.startswith("socket:") and link in in_worker]
    assert not [link for link in in_child if "memfd:skypy" in link]
    assert not [link for link in in_child if "eventpoll" in link]


@pytest.mark.parametrize("way", FORKS)
def test_the_verbs_refuse_to_run_in_a_child_and_say_what_to_do(forking: RunningNode, way: str) -> None:
    with forking.connect() as client:
        raised = ask(client, way, "verbs")
        assert len(raised) > 10
        assert {text.partition(".")[0] for text in raised} == {
            "RuntimeError: this process was forked by a service and is no part of the node: skypy cannot be used in it"
        }
        assert all("let the service call skypy" in text for text in raised)
        assert ask(client, "here", "links")  # and the connection has not noticed anything


@pytest.mark.parametrize("way", FORKS)
def test_a_child_may_run_a_loop_of_its_own_and_log(forking: RunningNode, way: str) -> None:
    with forking.connect() as client:
        result, child = ask(client, way, "loop")
    assert result == "LINE 0"
    if way != "terminal":  # whose output goes to the terminal
        forking.wait_for_line(rf"^\[:01000001\] child {child} logs$")


# -- the end of a child ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def returning() -> Iterator[RunningNode]:
    with running("forking_back", "workers=2") as node:
        yield node
        node.allow_trouble("(?i)error|traceback|exception")
        node.signal(signal.SIGTERM)
        node.wait()
        assert not node.has_line("runs in a child")
        assert len([line for line in node.lines if line.endswith("the service has stopped")]) == 1


@pytest.mark.parametrize("how", [*WAYS_BACK, "wait"])
@pytest.mark.parametrize(
    "place",
    [
        "plain",
        "coroutine",
        "late",
        "woken",
        "task",
        "forked",
        "timer",
        "call_soon",
        "thread",
        "other_thread",
        "through_a_call",
    ],
)
def test_a_child_that_comes_back_ends_alone(returning: RunningNode, place: str, how: str) -> None:
    with returning.connect() as client:
        client.sendall(f"{place} {how}\n".encode())
        with client.makefile("rb") as file:
            status = int(file.readline())
    waits = how == "wait" and place not in ("plain", "call_soon", "thread", "other_thread", "through_a_call")
    assert status == (1 if waits else WAYS_BACK.get(how, 0))


@pytest.mark.parametrize("how", ["return", "raise"])
def test_a_child_that_comes_back_from_a_start_ends_before_the_service_runs(returning: RunningNode, how: str) -> None:
    with returning.connect() as client:
        client.sendall(f"module {how}\n".encode())
        with client.makefile("rb") as file:
            assert int(file.readline()) == WAYS_BACK[how]
    returning.wait_for_line("the child of a stop function has ended with 0$")


def test_a_process_of_multiprocessing_can_be_terminated_at_any_time(forking: RunningNode) -> None:
    with forking.connect() as client:
        assert ask(client, "terminated", "links") == [str(-signal.SIGTERM)] * 50


# -- the end of the worker ---------------------------------------------------------------------------------------------


def test_the_clients_of_a_killed_worker_are_let_go_and_its_children_end_with_it() -> None:
    port = free_port()
    with running("forking", f"env.port={port}", "workers=2") as node, node.connect(port) as client:
        for way in FORKS + POOLS:
            ask(client, way, "links")
        for way in ENDS:
            ask(client, way, "links")
        node.wait_for_line("a stubborn job runs", times=3)
        before = set(node.processes())
        killed = node.child("worker 1")
        spared = {node.pid, node.child("socket service"), node.child("worker 2")}
        os.kill(killed, signal.SIGKILL)
        assert is_gone(client)
        node.wait_for_line(r"started at :03000001$")  # on the same port
        node.eventually(lambda: before & set(node.processes()) == spared, "children are left", node._left)
        with node.connect(port) as other:
            assert ask(other, "here", "links")
        node.signal(signal.SIGTERM)


@pytest.mark.parametrize("way", ENDS)
def test_a_worker_stops_in_order_whatever_its_children_do(way: str) -> None:
    with running("forking", "stop_timeout=1000") as node, node.connect() as client:
        ask(client, way, "links")
        node.wait_for_line("job runs")
        node.signal(signal.SIGTERM)
        assert node.wait() == 0


def test_a_ctrl_c_in_the_terminal_ends_pools_without_a_traceback() -> None:
    with running("forking") as node, node.connect() as client:
        for way in POOLS:
            ask(client, way, "links")
        node.ends = True
        os.killpg(node.pid, signal.SIGINT)
        assert node.wait() == 0


def test_a_killed_node_leaves_none_of_the_children_of_its_services() -> None:
    with running("forking", "workers=2", exit_code=-signal.SIGKILL) as node, node.connect() as client:
        for way in [*FORKS, *POOLS, *ENDS]:
            ask(client, way, "links")
        node.signal(signal.SIGKILL)
        assert is_gone(client)
