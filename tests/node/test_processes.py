"""The processes of a node: what `ps` calls them, what they load, and what happens when one of them dies."""

import _asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.node.clients import FINAL, finish, read_to_end
from tests.node.harness import ECHO, RunningNode, ending, free_port, running, title

KILLED = r"was ended by signal 9 \(SIGKILL; the kernel may have run out of memory\)"


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningNode]:
    with running("modules", "workers=2") as node:
        yield node


def mapped_files(pid: int) -> set[str]:
    """Names of the files in a process's memory, which its extension modules are among."""
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return {Path(line.split(maxsplit=5)[5]).name for line in lines if "/" in line}


def echoes(node: RunningNode, port: int) -> None:
    with node.connect(port) as client:
        client.sendall(b"a\n")
        finish(client)
        assert read_to_end(client) == b"a\n" + FINAL


# -- what they are -----------------------------------------------------------------------------------------------------


def test_ps_says_which_process_is_which(node: RunningNode) -> None:
    for name in ("socket service", "worker 1", "worker 2"):
        node.child(name)
    assert sorted(node.children()) == ["skypy: socket service", "skypy: worker 1", "skypy: worker 2"]
    assert title(node.pid).startswith("skypy: node /")
    assert title(node.pid).endswith("/node.toml")


def test_the_socket_service_has_no_event_loop_but_its_own(node: RunningNode) -> None:
    files = mapped_files(node.child("socket service"))
    assert any(name.startswith("_cmsgpack") for name in files)  # extension modules can be seen
    assert not [name for name in files if name.startswith(("_asyncio", "_ssl", "_queue"))]
    if hasattr(_asyncio, "__file__"):  # some interpreters have it built in
        assert any(name.startswith("_asyncio") for name in mapped_files(node.child("worker 1")))


def test_the_main_module_of_the_socket_service_imports_nothing_that_it_does_not_need() -> None:
    command = [sys.executable, "-X", "importtime", "-c", "import skypy.node.socket_process"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert {"skypy", "msgpack", "socket"} <= loaded
    assert not loaded & {"asyncio", "click", "concurrent", "multiprocessing", "ssl"}


def test_the_workers_have_no_click(node: RunningNode) -> None:
    with node.connect() as client:
        modules = set(read_to_end(client).decode().split())
    assert {"skypy", "asyncio", "modules@01000001"} <= modules
    assert not modules & {"click", "tomllib", "skypy.config", "skypy.cli", "skypy.net"}


def test_no_child_holds_the_terminal_or_the_standard_output_of_the_node(node: RunningNode) -> None:
    for name in ("socket service", "worker 1", "worker 2"):
        folder = f"/proc/{node.child(name)}/fd"
        assert os.readlink(f"{folder}/0") == "/dev/null"
        assert os.readlink(f"{folder}/1") == os.readlink(f"{folder}/2")
        assert os.readlink(f"{folder}/1").startswith("pipe:")


def test_signals_to_its_children_are_the_nodes_business_and_end_nothing(node: RunningNode) -> None:
    children = {name: node.child(name) for name in ("socket service", "worker 1", "worker 2")}
    for pid in children.values():
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(pid, number)
    with node.connect() as client:
        assert read_to_end(client)
    assert {name: node.child(name) for name in children} == children


# -- a worker dies -----------------------------------------------------------------------------------------------------


def test_killed_workers_are_replaced_and_the_echo_serves_again() -> None:
    port = free_port()
    with running(ECHO, f"env.port={port}") as node:
        echoes(node, port)
        with node.connect(port) as bystander:
            bystander.sendall(b"a\n")
            assert bystander.recv(2) == b"a\n"
            old = node.child("worker 2")
            os.kill(old, signal.SIGKILL)
            node.wait_for_line(rf"^\[node\] worker 2 {KILLED}; it is replaced$")
            node.eventually(lambda: node.child("worker 2") != old, "worker 2 is not replaced")
            bystander.sendall(b"b\n")
            assert bystander.recv(2) == b"b\n"

            os.kill(node.child("worker 1"), signal.SIGKILL)
            node.wait_for_line(rf"^\[node\] worker 1 {KILLED}; it is replaced$")
            assert read_to_end(bystander) == b""  # its actor is gone; what it had written is here
        node.wait_for_line(r"^\[node\] echo started at :04000001$")  # no process number is given out twice
        echoes(node, port)


@pytest.mark.parametrize("spin", ["auto", "0", "2000"])
def test_a_node_serves_and_stops_however_it_spins(spin: str) -> None:
    with running(ECHO, f"env.port={(port := free_port())}", "workers=2", f"node.spin={spin}") as node:
        echoes(node, port)
        echoes(node, port)


def test_a_worker_that_keeps_dying_stops_the_node_with_exit_code_1() -> None:
    with ending("dying", exit_code=1) as node:
        node.wait_for_line(rf"^\[node\] worker 1 {KILLED}; it is replaced$", times=5)
        node.wait_for_line(rf"worker 1 {KILLED}, and workers have died more than 5 times within 10 s: the node stops$")


@pytest.mark.parametrize("allowed", [0, 2])
def test_the_number_of_deaths_that_stop_the_node_is_configured(allowed: int) -> None:
    with ending("dying", f"node.max_restarts={allowed}", "node.restart_period=1000", exit_code=1) as node:
        node.wait_for_line(rf"worker 1 {KILLED}, and workers have died more than {allowed} times within 1000 s: the ")
        node.wait()
        assert len([line for line in node.lines if line.endswith("it is replaced")]) == allowed


def test_deaths_that_are_further_apart_than_the_period_are_mended_for_ever() -> None:
    with running("waiting", "node.max_restarts=1", "node.restart_period=0.000001") as node:
        for number in range(1, 5):
            os.kill(node.child("worker 1"), signal.SIGKILL)
            node.wait_for_line(rf"^\[node\] waiting started at :0{number + 1}000001$")


# -- the socket service dies -------------------------------------------------------------------------------------------


def test_a_killed_socket_service_ends_the_node_with_exit_code_1() -> None:
    port = free_port()
    with running(ECHO, f"env.port={port}", exit_code=1) as node, node.connect(port) as client:
        client.sendall(b"a\n")
        assert client.recv(2) == b"a\n"
        node.allow_trouble("socket: error on")
        os.kill(node.child("socket service"), signal.SIGKILL)
        node.wait_for_line(rf"^\[node\] the socket service {KILLED}: the node cannot go on without it$")
        assert node.wait() == 1


# -- the node dies -----------------------------------------------------------------------------------------------------


def test_a_killed_node_leaves_no_orphan_and_its_services_end_in_order() -> None:
    with running("stopping", "workers=2", exit_code=-signal.SIGKILL) as node, node.connect() as client:
        client.sendall(b"hello\n")
        assert client.recv(6) == b"hello\n"
        node.signal(signal.SIGKILL)
        assert read_to_end(client) == b"goodbye\n"


def test_a_killed_node_leaves_no_orphan_even_when_a_worker_is_stuck() -> None:
    with running("stuck", "workers=2", "stop_timeout=0.2", exit_code=-signal.SIGKILL) as node:
        node.wait_for_line("working")
        node.signal(signal.SIGKILL)
