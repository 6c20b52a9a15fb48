"""A log file that cannot be written, or ends in a torn line: lines stay whole, and lost ones are counted."""

from __future__ import annotations

import os
import re
import resource
import signal
from pathlib import Path

from tests.node.clients import read_exactly
from tests.node.harness import ending, free_port
from tests.node.muted import MANY, TIME, connect, muted, sent_or_counted


def test_a_full_disk_stops_nothing_and_no_line_is_torn_once_there_is_room(tmp_path: Path) -> None:
    log = tmp_path / "node.log"
    with ending("chatty", f"logger={log}", f"env.port={(port := free_port())}", exit_code=0) as node:
        with connect(port) as client:
            unlimited = resource.prlimit(node.child("log"), resource.RLIMIT_FSIZE)
            resource.prlimit(node.child("log"), resource.RLIMIT_FSIZE, (log.stat().st_size + 10_001, unlimited[1]))
            client.sendall(b"log 2000\n")
            assert read_exactly(client, 9) == b"log 2000\n"
            node.wait_for_line(r"^skypy: the log cannot be written for now: File too large$")
            assert not log.read_bytes().endswith(b"\n")  # a line is torn
            resource.prlimit(node.child("log"), resource.RLIMIT_FSIZE, unlimited)
            node.eventually(lambda: b"line 1999 " in log.read_bytes(), "the log does not go on")
        node.signal(signal.SIGTERM)
        node.wait()
    assert sent_or_counted(log.read_bytes()) == 2000
    assert all(re.match(TIME, line) for line in log.read_text().splitlines())


def test_a_disk_that_stays_full_does_not_hold_up_the_end_which_says_how_much_is_lost(tmp_path: Path) -> None:
    log = tmp_path / "node.log"
    with ending("chatty", f"logger={log}", f"env.port={(port := free_port())}", exit_code=0) as node:
        with connect(port) as client:
            resource.prlimit(node.child("log"), resource.RLIMIT_FSIZE, (log.stat().st_size, resource.RLIM_INFINITY))
            client.sendall(b"log 100\n")
            assert read_exactly(client, 8) == b"log 100\n"
        node.signal(signal.SIGTERM)
        node.wait()
    assert re.fullmatch(r"skypy: 10\d lines of the log were lost", node.lines[-1])


def test_a_log_that_cannot_be_written_is_complained_of_and_the_node_serves() -> None:
    with ending("chatty", "logger=/dev/full", f"env.port={(port := free_port())}", exit_code=0) as node:
        node.wait_for_line(r"^skypy: the log cannot be written for now: No space left on device$")
        with connect(port) as client:
            client.sendall(b"hello\n")
            assert read_exactly(client, 6) == b"hello\n"
        node.signal(signal.SIGTERM)
        node.wait()


def test_a_line_that_was_torn_before_the_start_is_not_continued(tmp_path: Path) -> None:
    log = tmp_path / "node.log"
    log.write_text("a torn li")
    with ending("chatty", f"logger={log}", f"env.port={free_port()}", exit_code=0) as node:
        node.eventually(lambda: "chatty started" in log.read_text(), "nothing is in the log")
        node.signal(signal.SIGTERM)
        node.wait()
    first, *others = log.read_text().splitlines()
    assert first == "a torn li"
    assert all(re.match(rf"{TIME} \[", line) for line in others)


def test_a_torn_line_is_written_whole_to_the_file_that_hang_up_opens(tmp_path: Path) -> None:
    log = tmp_path / "node.log"
    with ending("chatty", f"logger={log}", f"env.port={(port := free_port())}", exit_code=0) as node:
        with connect(port) as client:
            unlimited = resource.prlimit(node.child("log"), resource.RLIMIT_FSIZE)
            resource.prlimit(node.child("log"), resource.RLIMIT_FSIZE, (log.stat().st_size + 10_001, unlimited[1]))
            client.sendall(b"log 200\n")
            assert read_exactly(client, 8) == b"log 200\n"
            node.wait_for_line("the log cannot be written for now")
            log.rename(tmp_path / "full")
            os.kill(node.pid, signal.SIGHUP)
            node.eventually(lambda: log.exists() and b"line " in log.read_bytes(), "no new file is begun")
            resource.prlimit(node.child("log"), resource.RLIMIT_FSIZE, unlimited)
            node.eventually(lambda: b"line 199 " in log.read_bytes(), "the log does not go on")
        node.signal(signal.SIGTERM)
        node.wait()
    whole, _, torn = (tmp_path / "full").read_bytes().rpartition(b"\n")
    assert torn
    assert log.read_bytes().startswith(torn)
    assert sent_or_counted(whole + b"\n" + log.read_bytes()) == 200


def test_a_fifo_without_a_reader_stops_nothing_and_a_reader_that_comes_gets_the_lines(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with ending("chatty", f"logger={fifo}", f"env.port={(port := free_port())}", exit_code=0) as node:
        with connect(port) as client:
            client.sendall(b"log 5000\n")
            assert read_exactly(client, 9) == b"log 5000\n"
            with open(fifo, "rb") as reader:
                lines = [reader.readline()]
                while b"line 4999 " not in lines[-1]:
                    lines.append(reader.readline())
            assert sent_or_counted(b"".join(lines)) == 5000
            client.sendall(b"log %d\n" % MANY)
            assert read_exactly(client, 10) == b"log %d\n" % MANY
        node.signal(signal.SIGTERM)
        node.wait()


def test_a_disk_that_does_not_answer_stops_nothing(tmp_path: Path) -> None:
    log = tmp_path / "node.log"
    with ending("chatty", f"logger={log}", f"env.port={(port := free_port())}", exit_code=0) as node:
        with connect(port) as client:
            writing = node.child("log")
            os.kill(writing, signal.SIGSTOP)  # its calls do not return
            client.sendall(b"log %d\n" % MANY)
            assert read_exactly(client, 10) == b"log %d\n" % MANY
        node.signal(signal.SIGTERM)
        node.eventually(lambda: not node.running(), "the node does not end")
        os.kill(writing, signal.SIGCONT)
        node.wait()
    assert re.fullmatch(r"skypy: \d+ lines of the log were lost", node.lines[-1])


def test_a_disk_that_answers_again_has_each_line_or_the_count(tmp_path: Path) -> None:
    log = tmp_path / "node.log"
    with ending("chatty", f"logger={log}", f"env.port={(port := free_port())}", exit_code=0) as node:
        with connect(port) as client:
            os.kill(node.child("log"), signal.SIGSTOP)
            client.sendall(b"log %d\n" % MANY)
            assert read_exactly(client, 10) == b"log %d\n" % MANY
            os.kill(node.child("log"), signal.SIGCONT)
            node.eventually(lambda: b"of the log were lost\n" in log.read_bytes(), "no loss is told")
        node.signal(signal.SIGTERM)
        node.wait()
    assert sent_or_counted(log.read_bytes()) == MANY


def test_a_log_whose_process_is_killed_goes_on_and_is_opened_anew_on_hang_up(tmp_path: Path) -> None:
    log = tmp_path / "node.log"
    with ending("chatty", f"logger={log}", f"env.port={(port := free_port())}", exit_code=0) as node:
        with connect(port) as client:
            os.kill(node.child("log"), signal.SIGKILL)
            client.sendall(b"log 10\n")
            node.eventually(lambda: sent_or_counted(log.read_bytes()) == 10, "the log does not go on")
            log.rename(tmp_path / "old")
            os.kill(node.pid, signal.SIGHUP)
            node.eventually(log.exists, "no new file is begun")
            client.sendall(b"log 20\n")
            node.eventually(lambda: sent_or_counted(log.read_bytes()) == 20, "the log does not go on")
        node.signal(signal.SIGTERM)
        node.wait()


def test_standard_error_in_a_file_on_a_full_disk_stops_nothing_and_no_line_is_torn(tmp_path: Path) -> None:
    log = tmp_path / "errors"
    with open(log, "ab") as file, muted(file.fileno()) as node:
        node.ask("hello")
        unlimited = resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (log.stat().st_size + 10_001, unlimited[1]))
        node.ask("log 2000")
        resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, unlimited)
        node.eventually(lambda: b"line 1999 " in log.read_bytes(), "the log does not go on")
        assert node.stop() == 0
    assert sent_or_counted(log.read_bytes()) == 2000
