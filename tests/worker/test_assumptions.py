"""An interpreter that skypy cannot run on is refused with a sentence, before anything depends on it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from skypy.cli.main import main
from skypy.worker.tasks import assumptions
from skypy.worker.tasks.assumptions import UnsupportedInterpreter, check_interpreter
from skypy.worker.tasks.loop import new_loop


def fail(loop: asyncio.AbstractEventLoop) -> bool:
    raise AttributeError("_callbacks")


def test_this_interpreter_is_supported() -> None:
    check_interpreter()


@pytest.mark.parametrize("holds", [fail, lambda _: False], ids=["raises", "answers wrong"])
@pytest.mark.parametrize("ability", assumptions._ASSUMPTIONS)
def test_an_assumption_that_does_not_hold_is_named(
    monkeypatch: pytest.MonkeyPatch, ability: str, holds: Callable[[asyncio.AbstractEventLoop], bool]
) -> None:
    monkeypatch.setitem(assumptions._ASSUMPTIONS, ability, holds)
    with pytest.raises(UnsupportedInterpreter, match=rf"^\w+ 3\.\S+ is not supported: its asyncio cannot {ability}$"):
        check_interpreter()


def test_a_worker_does_not_start_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(assumptions._ASSUMPTIONS, "run", fail)
    with pytest.raises(UnsupportedInterpreter):
        new_loop(0)


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_free_threaded_build_is_refused_by_the_command_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str
) -> None:
    monkeypatch.setattr(sys, "abiflags", "t")
    result = CliRunner().invoke(main, [command, str(tmp_path / "node.toml")], prog_name="skypy")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "was built without the global interpreter lock (free-threading)" in result.stderr
    assert result.stderr.count("\n") == 1
