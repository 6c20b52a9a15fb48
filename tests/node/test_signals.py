"""Signals beside those that stop a node, and what it inherits from a parent that treats them in another way."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.node.clients import read_exactly
from tests.node.harness import ECHO, ROOT, RunningNode, free_port, running

KILLED = r"was ended by signal 9 \(SIGKILL; the kernel may have run out of memory\)"
_PR_SET_CHILD_SUBREAPER = 36


def ask(node: RunningNode, question: str) -> int:
    """The answer of the service "parent"."""
    with node.connect() as client:
        client.sendall(question.encode() + b"\n")
        answer = b""
        while not answer.endswith(b"\n"):
            answer += read_exactly(client, 1)
    return int(answer)


# -- signals that mean nothing -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["SIGUSR1", "SIGUSR2", "SIGALRM", "SIGVTALRM", "SIGPROF"])
def test_a_signal_without_a_meaning_is_ignored_with_a_line(node: RunningNode, name: str) -> None:
    os.kill(node.pid, signal.Signals[name])
    node.wait_for_line(rf"^\[node\] {name} is ignored: it has no meaning for a node$")
    assert ask(node, "status 3") == 3


def test_sighup_to_a_node_without_a_terminal_whose_log_is_standard_error_changes_nothing(node: RunningNode) -> None:
    os.kill(node.pid, signal.SIGHUP)
    os.kill(node.pid, signal.SIGUSR1)
    node.wait_for_line(r"^\[node\] SIGUSR1 is ignored")
    assert ask(node, "status 3") == 3


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningNode]:
    with running("parent") as node:
        yield node


# -- an interrupt before there is a node -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "module"),
    [("run", "click"), ("run", "tomllib"), ("run", "setproctitle"), ("run", "msgpack"), ("check", "click")],
)
def test_an_interrupt_while_it_is_being_loaded_ends_it_without_a_word(
    tmp_path: Path, command: str, module: str
) -> None:
    os.mkfifo(tmp_path / "loading")
    (tmp_path / f"{module}.py").write_text(f"open({str(tmp_path / 'loading')!r}).read()\n")
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    process = subprocess.Popen(
        [sys.executable, "-m", "skypy", command, str(ECHO), "--set", f"env.port={free_port()}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
    )
    with open(tmp_path / "loading", "w"):  # waits until the module is being loaded
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate()
    assert (process.returncode, output) == (-signal.SIGINT, b"")


def test_an_interrupt_that_the_shell_has_ignored_does_not_end_it_while_it_is_being_loaded(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "loading")
    (tmp_path / "tomllib.py").write_text(f"open({str(tmp_path / 'loading')!r}).read()\nraise SystemExit(77)\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "skypy", "check", str(ECHO)],
        env=os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT}"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    with open(tmp_path / "loading", "w"):
        process.send_signal(signal.SIGINT)
    assert process.wait() == 77


# -- the children of a node --------------------------------------------------------------------------------------------


def ignore_children() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)


def test_exit_statuses_are_right_under_a_parent_that_ignores_the_ends_of_its_children() -> None:
    with running("parent", before=ignore_children) as node:
        assert ask(node, "status 3") == 3
        os.kill(node.child("worker 1"), signal.SIGKILL)
        node.wait_for_line(rf"^\[node\] worker 1 {KILLED}; it is replaced$")


def test_the_first_process_of_a_container_reaps_orphans_and_no_child_of_its_own() -> None:
    libc = ctypes.CDLL(None, use_errno=True)

    def adopt_orphans() -> None:
        if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
            os._exit(99)

    with running("parent", "node.max_restarts=20", before=adopt_orphans) as node:
        for number in range(1, 6):
            orphans = [ask(node, "orphan") for _ in range(10)]
            os.kill(node.child("worker 1"), signal.SIGKILL)
            node.wait_for_line(rf"^\[node\] worker 1 {KILLED}; it is replaced$", times=number)
            node.wait_for_line(r"^\[:\w+\] port \d+$", times=number + 1)
            node.eventually(lambda: not any(map(exists, orphans)), "orphans are left", lambda: str(orphans))  # noqa: B023


def exists(pid: int) -> bool:
    """Return True for a zombie, too."""
    return Path(f"/proc/{pid}").exists()
