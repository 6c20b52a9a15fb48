"""Nothing of skypy warns, so nothing fails where warnings are errors."""

import pytest

from tests.actors.harness import running


def test_a_wait_that_runs_into_a_time_limit_ends_by_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    with running("limits") as node:
        for wait in ("call", "sleep"):
            assert node.wait_for_line(rf"{wait} ends by (\w+)$")[1] == "TimeoutError"
