"""The errors of bad configs: each names the file, the key, and a correction."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from skypy.config import load
from skypy.core.errors import ConfigError
from skypy.core.settings import SocketSettings

Write = Callable[..., str]

START = 'start = "echo"\n'


def refused(path: str, *overrides: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(path, overrides)
    return caught.value


@pytest.mark.parametrize(
    ("text", "key", "problem"),
    [
        ("", "start", 'is missing; write start = "echo"'),
        ("start = 8", "start", 'must be a string, like start = "echo"; found 8'),
        ('start = " "', "start", 'must name the first service; write start = "echo"'),
        (START + "workers = 0", "workers", "must be a whole number from 1 to 64, like workers = 4; found 0"),
        (START + "workers = 65", "workers", "must be a whole number from 1 to 64, like workers = 4; found 65"),
        (START + "workers = true", "workers", "must be a whole number from 1 to 64, like workers = 4; found true"),
        (START + "workers = 2.0", "workers", "must be a whole number from 1 to 64, like workers = 4; found 2.0"),
        (START + 'workers = "2"', "workers", 'must be a whole number from 1 to 64, like workers = 4; found "2"'),
        (START + "[workers]", "workers", "must be a whole number from 1 to 64, like workers = 4; found a table"),
        (START + "stop_timeout = 0", "stop_timeout", "above 0 and at most 1000000, like stop_timeout = 10.0; found 0"),
        (START + "stop_timeout = false", "stop_timeout", "found false"),
        (START + "stop_timeout = inf", "stop_timeout", "found inf"),
        (START + "stop_timeout = nan", "stop_timeout", "found nan"),
        (START + 'service_path = "a"', "service_path", 'like service_path = ["../services"]; found "a"'),
        (START + "service_path = [1]", "service_path", "must be a list of strings, none of them empty"),
        (START + 'service_path = [""]', "service_path", "must be a list of strings, none of them empty"),
        (START + 'service_path = ["nowhere"]', "service_path", "/nowhere is missing"),
        (START + 'service_path = ["node.toml"]', "service_path", "/node.toml is not a folder"),
        (START + "logger = 1", "logger", 'must be a string, like logger = "-"; found 1'),
        (START + 'logger = ""', "logger", 'must be "-" for standard error, or a file'),
        (START + 'logger = "nowhere/node.log"', "logger", "/nowhere is missing"),
        (START + 'logger = "services"', "logger", "/services is a folder, not a file"),
        (START + 'logger = "a\\u0000b"', "logger", "must not contain a NUL character"),
        (START + "env = 3", "env", "must be a table, begun by a line [env]; found 3"),
        (START + "[[env]]", "env", "must be a table, begun by a line [env]; found a list"),
        (START + "[env]\nport = 8888", "env.port", 'must be a string; write port = "8888"'),
        (START + "[env]\ndebug = true", "env.debug", 'must be a string; write debug = "true"'),
        (START + "[env]\nday = 2024-01-31", "env.day", 'must be a string; write day = "2024-01-31"'),
        (START + "[env]\nhosts = []", "env.hosts", 'must be a string; write hosts = "..."'),
        (START + '[env]\n"a b" = 1', 'env."a b"', 'must be a string; write "a b" = "1"'),
        (START + '[env]\ndb.host = "x"', "env.db", 'a name with a dot is quoted: "db.host" = "..."'),
        (START + '[env]\n"" = "x"', 'env.""', "a key cannot be empty"),
        (START + "socket = 3", "socket", "must be a table, begun by a line [socket]; found 3"),
        (START + "[socket]\nlinger = 0", "socket.linger", "above 0 and at most 1000000, like linger = 5.0; found 0"),
        (START + '[socket]\nlinger = "5"', "socket.linger", 'found "5"'),
        (START + "[socket]\nlinger = true", "socket.linger", "found true"),
        (START + "[socket]\nread_window = 1.5", "socket.read_window", "like read_window = 131072; found 1.5"),
        (START + "[socket]\nread_window = -1", "socket.read_window", "must be a whole number from 1 to"),
        (START + "[node]\nspin = -1", "node.spin", 'like spin = "auto"; found -1'),
        (START + "[node]\nspin = 1000001", "node.spin", 'must be "auto" or a whole number from 0 to 1000000, like'),
        (START + "[node]\nspin = 0.5", "node.spin", "found 0.5"),
        (START + "[node]\nspin = true", "node.spin", "found true"),
        (START + '[node]\nspin = "always"', "node.spin", 'found "always"'),
        (START + "[node]\nspin = [1]", "node.spin", "found a list"),
        (START + "[node]\nmax_restarts = -1", "node.max_restarts", "must be a whole number from 0 to 1000000, like"),
        (START + "[node]\nmax_restarts = 1.5", "node.max_restarts", "like max_restarts = 5; found 1.5"),
        (START + '[node]\nmax_restarts = "5"', "node.max_restarts", 'found "5"'),
        (START + "[node]\nmax_restarts = 1000001", "node.max_restarts", "found 1000001"),
        (
            START + "[node]\nrestart_period = 0",
            "node.restart_period",
            "above 0 and at most 1000000, like restart_period = 10.0",
        ),
        (START + '[node]\nrestart_period = "10 s"', "node.restart_period", 'found "10 s"'),
        (START + "node = 3", "node", "must be a table, begun by a line [node]; found 3"),
        (START + "[socket]\nhigh_water = 9999999999999", "socket.high_water", "found 9999999999999"),
        (START + "include = 1", "include", 'like include = ["base.toml"]; found 1'),
        (START + 'config_file = "a"', "config_file", "unknown key"),
    ],
)
def test_the_error_for_a_wrong_value_names_the_right_ones(write: Write, text: str, key: str, problem: str) -> None:
    file = write(text)
    error = refused(file)
    assert (error.file, error.key) == (file, key)
    assert problem in error.problem


@pytest.mark.parametrize(
    ("text", "key", "nearest"),
    [
        ("worker = 2", "worker", "workers"),
        ("Workers = 2", "Workers", "workers"),
        ("service-path = []", "service-path", "service_path"),
        ("inclde = []", "inclde", "include"),
        ("linger = 2", "linger", "socket.linger"),
        ('"socket.linger" = 2', '"socket.linger"', "socket.linger"),
        ("[sokcet]", "sokcet", "socket"),
        ("[socket]\nlingre = 2", "socket.lingre", "socket.linger"),
        ("[socket]\nworkers = 2", "socket.workers", "workers"),
        ("[socket]\nspin = 0", "socket.spin", "node.spin"),
        ("[node]\nmax_restart = 3", "node.max_restart", "node.max_restarts"),
        ("restart_period = 3", "restart_period", "node.restart_period"),
    ],
)
def test_an_unknown_key_is_told_the_nearest_known_one(write: Write, text: str, key: str, nearest: str) -> None:
    error = refused(write(START + text))
    assert (error.key, error.problem) == (key, f"unknown key; did you mean {nearest}?")


def test_an_unknown_key_that_is_near_to_none_is_told_them_all(write: Write) -> None:
    error = refused(write(START + "xyzzy = 1"))
    assert error.problem.startswith("unknown key; known are env, include, logger, ")


LIMITS = [field.name for field in dataclasses.fields(SocketSettings) if field.name != "time_wait"]


@pytest.mark.parametrize("limit", LIMITS)
def test_every_socket_limit_must_be_a_number_above_zero(write: Write, limit: str) -> None:
    file = write(f"{START}[socket]\n{limit} = 1")
    assert getattr(load(file).socket, limit) == 1
    assert refused(file, f"socket.{limit}=-1").problem.endswith("found -1")
    assert refused(file, f"socket.{limit}=true").problem.endswith("found true")


def test_the_error_for_a_choice_names_the_choices(write: Write) -> None:
    file = write(f'{START}[socket]\ntime_wait = "avoid"')
    assert load(file).socket.time_wait == "avoid"
    problem = refused(file, "socket.time_wait=never").problem
    assert problem == 'must be "keep" or "avoid", like time_wait = "keep"; found "never"'


@pytest.mark.parametrize("value", ['"' + "x" * 10_000 + '"', "0x" + "f" * 10_000])
def test_a_long_wrong_value_is_cut(write: Write, value: str) -> None:
    assert len(refused(write(f"{START}workers = {value}")).problem) < 200


# -- the file itself ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b'start = "echo"\nworkers 2\n', "(at line 2, column 9)"),
        (b'start = "echo\n', "(at line 1, column 14)"),
        (b'start = "a"\nstart = "b"\n', "Cannot overwrite a value (at line 2, column 12)"),
        (b'start = "\xff"\n', "'utf-8' codec can't decode byte 0xff in position 9"),
        (b"a = " + b"[" * 5000, "recursion"),
        (b"a = " + b"9" * 5000, "4300"),
    ],
    ids=["no equals sign", "open string", "twice", "not UTF-8", "nested", "long number"],
)
def test_the_error_for_a_file_that_is_not_toml_names_the_place(tmp_path: Path, data: bytes, problem: str) -> None:
    file = tmp_path / "node.toml"
    file.write_bytes(data)
    error = refused(str(file))
    assert (error.file, error.key) == (str(file), "")
    assert error.problem.startswith("this is not TOML: ")
    assert problem in error.problem


def test_a_file_whose_name_is_not_utf8_is_refused(tmp_path: Path) -> None:
    file = tmp_path / os.fsdecode(b"\xff.toml")
    file.write_text(START)
    assert refused(str(file)).problem == "the name of the config file must be UTF-8 text"


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    assert str(refused("no/such.toml")) == "no/such.toml: No such file or directory"
    assert str(refused(str(tmp_path))) == f"{tmp_path}: Is a directory"
    assert str(refused("")) == '"": the name of the config file is empty'


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")
def test_a_file_without_permission_says_so(write: Write) -> None:
    file = write(START)
    os.chmod(file, 0)
    assert refused(file).problem == "Permission denied"


# -- the environment ---------------------------------------------------------------------------------------------------


def test_a_missing_variable_is_named_with_the_way_to_give_it(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PORT", raising=False)
    error = refused(write(START + '[env]\nport = "${PORT}"'))
    assert error.key == "env.port"
    assert error.problem == 'the environment variable PORT is not set; set it, or write "${PORT:-default}"'


@pytest.mark.parametrize("broken", ["${}", "${PORT", "${PORT-8888}", "${1}", "${A:-${B}}", "a ${ b"])
def test_a_broken_reference_is_refused(write: Write, broken: str) -> None:
    error = refused(write(f'{START}[env]\nport = "{broken}"'))
    assert (error.key, error.problem.partition(";")[0]) == (
        "env.port",
        '"${" begins "${NAME}" or "${NAME:-default}"',
    )


def test_a_variable_that_is_not_utf8_is_refused(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", os.fsdecode(b"\xff"))
    assert refused(write(START + '[env]\nport = "${PORT}"')).problem == "must be UTF-8 text"


# -- include -----------------------------------------------------------------------------------------------------------


def test_the_file_in_which_the_wrong_value_was_written_is_named(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(START + "[env]\nport = 1\n[socket]\nlinger = 1", "shared/base.toml")
    write('include = ["../shared/base.toml"]\n[env]\nhost = "a"', "config/node.toml")
    monkeypatch.chdir(tmp_path)
    assert str(refused("config/node.toml")) == 'shared/base.toml: env.port: must be a string; write port = "1"'


def test_an_included_file_that_cannot_be_read_is_told_to_the_one_that_includes_it(write: Write) -> None:
    file = write(START + 'include = ["base.toml"]')
    error = refused(file)
    assert (error.file, error.key) == (file, "include")
    assert error.problem.endswith("/base.toml: No such file or directory")


def test_an_include_cycle_shows_the_chain(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write('include = ["b.toml"]', "a.toml")
    write('include = ["sub/c.toml"]', "b.toml")
    write('include = ["../a.toml"]', "sub/c.toml")
    monkeypatch.chdir(tmp_path)
    error = refused("a.toml")
    assert (error.file, error.key) == ("sub/c.toml", "include")
    assert error.problem == "a file cannot include itself: a.toml -> b.toml -> sub/c.toml -> a.toml"


# -- overrides ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "key", "problem"),
    [
        ("workers", "workers", "must be KEY=VALUE, like workers=4 or env.port=9000"),
        ("=4", "=4", "must be KEY=VALUE"),
        ("", "", "must be KEY=VALUE"),
        ("workers=", "workers", 'found ""'),
        ("workers=four", "workers", 'must be a whole number from 1 to 64, like workers = 4; found "four"'),
        ("workers=4\nstart = 1", "workers", "must be a whole number"),
        ("workers.x=4", "workers", "found a table"),
        ("service_path=services", "service_path", 'found "services"'),
        ("worker=4", "worker", "did you mean workers?"),
        ("socket.lingre=4", "socket.lingre", "did you mean socket.linger?"),
        ("env.=4", 'env.""', "a key cannot be empty"),
        ("env=4", "env", "must be a table"),
        ("start=", "start", "must name the first service"),
        ('include=["nowhere.toml"]', "include", "nowhere.toml: No such file or directory"),
    ],
)
def test_a_wrong_override_names_set_as_its_file(write: Write, override: str, key: str, problem: str) -> None:
    error = refused(write(START), override)
    assert (error.file, error.key) == ("--set", key)
    assert problem in error.problem
