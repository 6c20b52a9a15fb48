"""A node that was started in a terminal, and the terminal's end."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.node.clients import read_exactly, read_to_end
from tests.node.harness import ROOT, SECONDS, SERVICES, RunningNode, ending, running


class Terminal:
    """A terminal that the test plays: what a window is to a user."""

    def __init__(self) -> None:
        self.ours, self.theirs = os.openpty()
        self._open = True

    def enter(self) -> None:
        """Begin a session in the terminal, with standard error left as it is."""
        os.setsid()
        descriptor = os.open(os.ttyname(self.theirs), os.O_RDWR)  # the first one that a session opens is its own
        os.close(descriptor)

    def enter_under_nohup(self) -> None:
        """Begin a session that may outlive the terminal."""
        self.enter()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def enter_in_the_background(self) -> None:
        """Begin a session whose first process stays in front of the node, and tells it nothing."""
        self.enter()
        if (node := os.fork()) != 0:
            os.closerange(3, 256)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            os._exit(os.waitstatus_to_exitcode(os.waitpid(node, 0)[1]) & 255)
        os.setpgid(0, 0)

    def close(self) -> None:
        """Close the window."""
        if self._open:
            self._open = False
            os.close(self.ours)
            os.close(self.theirs)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    with closing(Terminal()) as terminal:
        yield terminal


def greet(client: socket.socket) -> None:
    client.sendall(b"hello\n")
    assert read_exactly(client, 6) == b"hello\n"


def has_handled_signals(node: RunningNode, pid: int) -> None:
    """Wait until the signals that were sent before have been handled."""
    os.kill(pid, signal.SIGUSR1)
    node.wait_for_line("SIGUSR1 is ignored")


def test_a_node_whose_terminal_goes_away_ends_in_order(terminal: Terminal) -> None:
    with running("stopping", before=terminal.enter, new_session=False) as node, node.connect() as client:
        greet(client)
        terminal.close()
        node.ends = True
        assert read_to_end(client) == b"goodbye\n"
        node.wait_for_line(r"^\[node\] stopping: the terminal is gone$")
        assert node.wait() == 0


def test_so_does_one_whose_log_is_the_terminal(terminal: Terminal) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "skypy", "run", str(SERVICES / "node.toml"), "--set", "start=stopping"],
        stdin=terminal.theirs,
        stdout=terminal.theirs,
        stderr=terminal.theirs,
        preexec_fn=terminal.enter,
        cwd=ROOT,
    )
    shown = b""
    while b"started at" not in shown or b" port " not in shown:
        shown += os.read(terminal.ours, 4096)
    port = re.search(rb" port (\d+)", shown)
    assert port is not None
    with socket.create_connection(("127.0.0.1", int(port[1])), SECONDS) as client:
        greet(client)
        terminal.close()
        assert read_to_end(client) == b"goodbye\n"
    assert process.wait(SECONDS) == 0


def test_sighup_reopens_the_log_while_the_terminal_is_there_and_its_end_still_ends_the_node(
    terminal: Terminal, tmp_path: Path
) -> None:
    log, old = tmp_path / "node.log", tmp_path / "node.log.1"
    with ending("talkative", f"logger={log}", exit_code=0, before=terminal.enter, new_session=False) as node:
        node.eventually(lambda: log.exists() and "line 1\n" in log.read_text(), "no log")
        log.rename(old)
        node.signal(signal.SIGHUP)
        node.eventually(lambda: log.exists() and "line " in log.read_text(), "the log is not reopened")
        terminal.close()
        assert node.wait() == 0
    assert "[node] stopping: the terminal is gone\n" in log.read_text()


def test_a_node_in_the_background_that_was_told_ahead_of_the_end_ends_with_the_terminal(terminal: Terminal) -> None:
    with running("stopping", before=terminal.enter_in_the_background, new_session=False) as node:
        (pid,) = [pid for title, pid in node.children().items() if title.startswith("skypy: node ")]
        os.kill(pid, signal.SIGHUP)  # as a window does that is about to close
        has_handled_signals(node, pid)
        assert not node.has_line(r"^\[node\] stopping:")
        with node.connect() as client:
            greet(client)
            terminal.close()
            node.ends = True
            assert read_to_end(client) == b"goodbye\n"
        assert node.wait() == 0


def test_under_nohup_the_terminal_may_go(terminal: Terminal) -> None:
    with running("stopping", before=terminal.enter_under_nohup, new_session=False) as node:
        terminal.close()
        os.kill(node.pid, signal.SIGHUP)
        has_handled_signals(node, node.pid)
        with node.connect() as client:
            greet(client)
        assert not node.has_line(r"^\[node\] stopping:")


def test_a_second_hang_up_while_it_ends_is_no_wish_for_haste(terminal: Terminal) -> None:
    with running("stopping", before=terminal.enter, new_session=False) as node, node.connect() as client:
        greet(client)
        terminal.close()
        node.wait_for_line("the terminal is gone")
        node.signal(signal.SIGHUP)
        assert read_to_end(client) == b"goodbye\n"
        assert node.wait() == 0
