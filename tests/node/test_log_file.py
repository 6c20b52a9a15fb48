"""A log that goes into a file: the time in front of each line, a new file after SIGHUP, nothing lost."""

import itertools
import re
import signal
from pathlib import Path

from tests.node.harness import RunningNode, ending

TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}"


def numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(rf"^{TIME} \[:01000001\] line (\d+)$", text, re.MULTILINE)]


def wait_for_text(node: RunningNode, file: Path, text: str) -> None:
    node.eventually(lambda: file.exists() and text in file.read_text(), f"{file} does not have {text!r}")


def test_a_log_is_continued_with_the_time_in_front_and_standard_error_says_where_it_is(tmp_path: Path) -> None:
    log = tmp_path / "node.log"
    log.write_text("yesterday\n")
    with ending("talkative", f"logger={log}", exit_code=0) as node:
        wait_for_text(node, log, "line 10\n")
        node.signal(signal.SIGTERM)
        node.wait()
    assert node.lines == [f"skypy: the log is in {log}"]
    first, *lines = log.read_text().splitlines()
    assert first == "yesterday"
    assert all(re.match(rf"{TIME} \[(:01000001|node)\] \S", line) for line in lines)
    assert "] talkative started at :01000001\n" in log.read_text()


def test_after_a_rename_and_sighup_it_goes_on_in_a_new_file_and_no_line_is_lost(tmp_path: Path) -> None:
    log = tmp_path / "node.log"
    old = [tmp_path / "node.log.2", tmp_path / "node.log.1"]
    with ending("talkative", f"logger={log}", exit_code=0) as node:
        for name in old:
            wait_for_text(node, log, "line ")
            log.rename(name)
            node.signal(signal.SIGHUP)
        wait_for_text(node, log, "line ")
        node.signal(signal.SIGTERM)
        node.wait()
    counted = [numbers(file.read_text()) for file in (*old, log)]
    assert all(counted)
    assert list(itertools.chain(*counted)) == list(range(1, counted[-1][-1] + 1))


def test_the_reason_why_a_node_ends_is_on_standard_error_as_well(tmp_path: Path) -> None:
    log = tmp_path / "node.log"
    (tmp_path / "broken.py").write_text("1 / 0\n")
    with ending("broken", f"logger={log}", f'service_path=["{tmp_path}"]', exit_code=3) as node:
        node.allow_trouble("")
        node.wait()
    assert "ZeroDivisionError: division by zero" in node.text()
    assert "ZeroDivisionError: division by zero" in log.read_text()
    assert f'File "{tmp_path}/broken.py", line 1' in log.read_text()
