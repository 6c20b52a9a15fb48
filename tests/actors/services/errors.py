"""Exceptions of the callee: for the caller, and in the log."""

import asyncio
import re
import sys
from pathlib import Path
from typing import Any, NoReturn

import skypy
from tests.actors.scenarios import Others, here, passes, raises
from tests.actors.scenarios import play as play_scenario


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class Outer:
    class Inner(Exception):
        pass


KINDS: dict[str, BaseException] = {
    "key": KeyError("missing"),
    "os": FileNotFoundError(2, "No such file or directory", "x"),
    "own": Outer.Inner("own"),
    "empty": ValueError(),
    "exit": SystemExit(3),
    "interrupt": KeyboardInterrupt("now"),
    "generator": GeneratorExit("gone"),
    "cancelled": asyncio.CancelledError("cancelled"),
    "stop": StopIteration("over"),
    "surrogate": ValueError("\ud800 is half a character"),
    "unspeakable": Unspeakable(),
    "dead": skypy.ActorDead(0x05000001, "it is not me"),
    "timeout": TimeoutError("too late"),
}


@skypy.command
async def play(name: str, placement: str) -> dict[str, Any]:
    return await play_scenario(__name__, name, placement)


@skypy.command
def plain(kind: str) -> NoReturn:
    fail(kind)


@skypy.command
async def coroutine(kind: str) -> NoReturn:
    fail(kind)


@skypy.command
async def coroutine_later(kind: str) -> NoReturn:
    await skypy.sleep(0)
    fail(kind)


@skypy.command
async def coroutine_of_asyncio(kind: str) -> NoReturn:
    await asyncio.sleep(0)
    fail(kind)


@skypy.command
async def after_a_reply(other: int, kind: str) -> NoReturn:
    await skypy.call(other, "nothing")
    fail(kind)


@skypy.command
def nothing() -> None: ...


@skypy.command
async def all_have_failed() -> None:
    """Return when nothing else runs any more."""
    await passes(lambda: len(here().actors[skypy.self()].tasks) == 1)


@skypy.command
def long_text(length: int) -> NoReturn:
    raise ValueError("x" * length)


@skypy.command
def deep() -> int:
    return deep() + 1


@skypy.command
def group() -> NoReturn:
    raise ExceptionGroup("several", [KeyError("one"), ValueError("two")])


@skypy.command
def exit_now() -> NoReturn:
    sys.exit("the whole process?")


@skypy.command
async def pass_error_on(other: int) -> Any:
    return await skypy.call(other, "plain", "key")


@skypy.command
def reply_nonsense(kind: str) -> Any:
    circle: list[Any] = []
    circle.append(circle)
    return {"object": object(), "set": {1}, "int": 1 << 64, "circle": circle, "surrogate": "\udfff"}[kind]


def fail(kind: str) -> NoReturn:
    raise KINDS[kind].with_traceback(None)


async def error_of(other: int, command: str, *args: Any) -> skypy.RemoteError:
    error: skypy.RemoteError = await raises(skypy.RemoteError, skypy.call(other, command, *args))
    return error


async def test_the_caller_gets_type_text_and_traceback(others: Others) -> None:
    other = await others.start("errors")
    for command in ("plain", "coroutine", "coroutine_later"):
        error = await error_of(other, command, "key")
        assert (error.type_name, error.text, str(error)) == ("KeyError", "'missing'", "KeyError: 'missing'")
        lines = error.traceback.splitlines()
        assert lines[0] == "Traceback (most recent call last):"
        assert lines[1].startswith(f'  File "{Path(__file__)}", line ')
        assert lines[1].endswith(f", in {command}")
        assert lines[-1] == "KeyError: 'missing'"
        assert f'"{Path(__file__)}", line ' in error.traceback
        assert "    raise KINDS[kind].with_traceback(None)" in lines
        files = re.findall(r'^  File "(.+)", line ', error.traceback, re.MULTILINE)
        assert set(files) == {str(Path(__file__))}  # no frame of skypy


async def test_every_kind_of_exception_arrives_and_the_callee_lives(others: Others) -> None:
    other = await others.start("errors")
    expected = {
        "os": ("FileNotFoundError", "[Errno 2] No such file or directory: 'x'"),
        "own": ("Outer.Inner", "own"),
        "empty": ("ValueError", ""),
        "exit": ("SystemExit", "3"),
        "interrupt": ("KeyboardInterrupt", "now"),
        "generator": ("GeneratorExit", "gone"),
        "surrogate": ("ValueError", "\\ud800 is half a character"),
        "unspeakable": ("Unspeakable", "<exception str() failed>"),
        "dead": ("ActorDead", "actor :05000001: it is not me"),
        "timeout": ("TimeoutError", "too late"),
    }
    for command in ("plain", "coroutine", "coroutine_later", "coroutine_of_asyncio"):
        for kind, (type_name, text) in expected.items():
            error = await error_of(other, command, kind)
            assert (error.type_name, error.text) == (type_name, text), command
            assert type_name.rpartition(".")[2] in error.traceback
        assert (await error_of(other, command, "cancelled")).type_name == "CancelledError", command
    assert (await error_of(other, "plain", "stop")).type_name == "StopIteration"
    assert (await error_of(other, "coroutine", "stop")).type_name == "RuntimeError"  # so says PEP 479


async def test_a_handler_that_exits_the_process_after_a_reply_does_not_disturb_anybody(others: Others) -> None:
    first, second = await others.start("errors"), await others.start("errors")
    calls = [skypy.call(first, "after_a_reply", second, kind) for kind in ("exit", "interrupt", "key") * 20]
    names = [error.type_name for error in await asyncio.gather(*calls, return_exceptions=True)]  # type: ignore[union-attr]
    assert names == ["SystemExit", "KeyboardInterrupt", "KeyError"] * 20
    error = await error_of(first, "exit_now")
    assert (error.type_name, error.text) == ("SystemExit", "the whole process?")


async def test_a_text_without_end_arrives_shortened(others: Others) -> None:
    other = await others.start("errors")
    error = await error_of(other, "long_text", 10_000_000)
    assert error.type_name == "ValueError"
    assert error.text.startswith("xxx")
    assert len(error.text) < 1_000_000
    assert len(error.traceback) < 2_000_000


async def test_endless_recursion_and_groups_are_ordinary_errors(others: Others) -> None:
    other = await others.start("errors")
    assert (await error_of(other, "deep")).type_name == "RecursionError"
    error = await error_of(other, "group")
    assert (error.type_name, error.text) == ("ExceptionGroup", "several (2 sub-exceptions)")
    assert "KeyError: 'one'" in error.traceback


async def test_an_error_that_is_passed_on_tells_the_whole_story(others: Others) -> None:
    first, second = await others.start("errors"), await others.start("errors")
    error = await error_of(first, "pass_error_on", second)
    assert (error.type_name, error.text) == ("RemoteError", "KeyError: 'missing'")
    assert ", in pass_error_on" in error.traceback


async def test_a_reply_that_no_message_carries_is_the_callers_error(others: Others) -> None:
    other = await others.start("errors")
    for kind, type_name in (("object", "TypeError"), ("set", "TypeError"), ("int", "ValueError")):
        error = await error_of(other, "reply_nonsense", kind)
        assert error.type_name == type_name
    assert (await error_of(other, "reply_nonsense", "circle")).type_name == "ValueError"
    assert (await error_of(other, "reply_nonsense", "surrogate")).type_name == "UnicodeEncodeError"
    assert "builtins.object" in (await error_of(other, "reply_nonsense", "object")).text


async def test_an_error_without_a_waiting_caller_is_logged(others: Others) -> None:
    other = await others.start("errors")
    address = rf"^\[:{other:08x}\] "
    for kind in ("key", "exit", "surrogate"):
        skypy.send(other, "coroutine_later", kind)
    skypy.send(other, "no such command")
    others.expect(address + rf'error in command "coroutine_later" from :{skypy.self():08x}$')
    others.expect(address + r"Traceback \(most recent call last\):$")
    others.expect(address + r"KeyError: 'missing'$")
    others.expect(address + r"SystemExit: 3$")
    others.expect(address + r"ValueError: \\ud800 is half a character$")
    others.expect(address + r'error in command "no such command"')
    others.expect(address + r"LookupError: errors@")
    await skypy.call(other, "all_have_failed")


async def test_an_error_for_a_waiting_caller_is_not_logged(others: Others) -> None:
    other = await others.start("errors")
    for command in ("plain", "coroutine", "coroutine_later"):
        await error_of(other, command, "exit")
