"""The settings of good configs."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from skypy.config import load
from skypy.core.settings import NodeSettings, Settings, SocketSettings
from skypy.core.timing.spinning import SpinSetting

Write = Callable[..., str]


def test_every_key_reaches_the_settings(write: Write, tmp_path: Path) -> None:
    file = write("""
        workers = 3
        start = "echo one two"
        service_path = ["services"]
        logger = "node.log"
        stop_timeout = 2.5
        [env]
        host = "127.0.0.1"
        "a.b" = ""
        [socket]
        linger = 1.5
        high_water = 4096
    """)
    assert load(file) == Settings(
        config_file=file,
        start="echo one two",
        workers=3,
        service_path=(str(tmp_path / "services"),),
        logger=str(tmp_path / "node.log"),
        stop_timeout=2.5,
        env={"host": "127.0.0.1", "a.b": ""},
        socket=SocketSettings(linger=1.5, high_water=4096),
    )


def test_a_key_that_is_left_out_has_its_default(write: Write) -> None:
    file = write('start = "echo"')
    assert load(file) == Settings(config_file=file, start="echo")


def test_a_time_may_be_written_without_a_point(write: Write) -> None:
    settings = load(write('start = "echo"\nstop_timeout = 3\nsocket.linger = 2'))
    assert (settings.stop_timeout, settings.socket.linger) == (3.0, 2.0)
    assert type(settings.socket.linger) is float


@pytest.mark.parametrize("spin", [0, 1, 1_000_000, "auto"])
def test_spinning_is_automatic_by_default_and_may_be_a_number(write: Write, spin: SpinSetting) -> None:
    assert NodeSettings().spin == "auto"
    assert load(write(f'start = "echo"\n[node]\nspin = {json.dumps(spin)}')).node.spin == spin
    assert load(write('start = "echo"'), [f"node.spin={spin}"]).node.spin == spin
    assert load(write('start = "echo"'), [f"node.spin={json.dumps(spin)}"]).node.spin == spin


@pytest.mark.parametrize("count", [0, 1, 1_000_000])
def test_the_deaths_that_are_mended_and_their_period_are_numbers(write: Write, count: int) -> None:
    assert (NodeSettings().max_restarts, NodeSettings().restart_period) == (5, 10.0)
    file = write(f'start = "echo"\n[node]\nmax_restarts = {count}\nrestart_period = 3')
    assert load(file).node == NodeSettings(max_restarts=count, restart_period=3.0)
    assert load(file, ["node.max_restarts=7", "node.restart_period=0.5"]).node == NodeSettings("auto", 7, 0.5)


def test_paths_are_relative_to_the_file_and_absolute_in_the_settings(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write('start = "echo"\nservice_path = ["../services", "."]\nlogger = "../node.log"', "config/node.toml")
    monkeypatch.chdir(tmp_path)
    settings = load("config/node.toml")
    assert settings.config_file == "config/node.toml"
    assert settings.service_path == (str(tmp_path / "services"), str(tmp_path / "config"))
    assert settings.logger == str(tmp_path / "node.log")


def test_settings_survive_a_message(write: Write) -> None:
    settings = load(write('start = "echo"\nservice_path = ["services"]\n[env]\na = "1"'))
    assert Settings.from_plain(settings.to_plain()) == settings


# -- the environment ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("${SET}", "value"),
        ("<${SET}|${SET}>", "<value|value>"),
        ("${SET:-other}", "value"),
        ("${UNSET:-other}", "other"),
        ("${UNSET:-}", ""),
        ("${EMPTY}", ""),
        ("${EMPTY:-other}", "other"),
        ("${UNSET:-a:b -c}", "a:b -c"),
        ("${NESTED}", "${SET}"),
        ("$${SET}", "${SET}"),
        ("$SET $$ $", "$SET $$ $"),
    ],
)
def test_a_string_reads_the_environment(write: Write, monkeypatch: pytest.MonkeyPatch, written: str, read: str) -> None:
    monkeypatch.delenv("UNSET", raising=False)
    monkeypatch.setenv("SET", "value")
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.setenv("NESTED", "${SET}")
    assert load(write(f'start = "echo"\n[env]\nkey = "{written}"')).env["key"] == read


def test_lists_and_paths_read_the_environment_too(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLACE", str(tmp_path))
    write('start = "${START:-echo}"', "base.toml")
    settings = load(write('include = ["${PLACE}/base.toml"]\nservice_path = ["${PLACE}/services"]'))
    assert (settings.start, settings.service_path) == ("echo", (str(tmp_path / "services"),))


# -- include -----------------------------------------------------------------------------------------------------------


def test_the_including_file_overrides_the_included_one_and_tables_merge(write: Write) -> None:
    write('start = "base"\nworkers = 2\n[env]\na = "base"\nb = "base"\n[socket]\nlinger = 9', "base.toml")
    settings = load(write('include = ["base.toml"]\nstart = "echo"\n[env]\nb = "node"\n[socket]\nread_window = 1'))
    assert (settings.start, settings.workers) == ("echo", 2)
    assert settings.env == {"a": "base", "b": "node"}
    assert settings.socket == SocketSettings(linger=9.0, read_window=1)


def test_a_later_included_file_overrides_an_earlier_one(write: Write) -> None:
    write('start = "one"\nworkers = 1', "one.toml")
    write('start = "two"', "two.toml")
    settings = load(write('include = ["one.toml", "two.toml"]'))
    assert (settings.start, settings.workers) == ("two", 1)


def test_paths_belong_to_the_file_that_writes_them(write: Write, tmp_path: Path) -> None:
    (tmp_path / "shared" / "services").mkdir(parents=True)
    write('include = ["more/base.toml"]\nservice_path = ["services"]', "shared/base.toml")
    write('start = "echo"\nlogger = "base.log"', "shared/more/base.toml")
    settings = load(write('include = ["shared/base.toml"]'))
    assert settings.service_path == (str(tmp_path / "shared" / "services"),)
    assert settings.logger == str(tmp_path / "shared" / "more" / "base.log")


def test_two_files_may_include_the_same_one(write: Write) -> None:
    write('start = "echo"', "base.toml")
    write('include = ["base.toml"]\nworkers = 2', "one.toml")
    write('include = ["base.toml"]\nstop_timeout = 2', "two.toml")
    settings = load(write('include = ["one.toml", "two.toml"]'))
    assert (settings.start, settings.workers, settings.stop_timeout) == ("echo", 2, 2.0)


# -- overrides ---------------------------------------------------------------------------------------------------------


def test_overrides_win_over_the_file_and_later_ones_over_earlier_ones(write: Write) -> None:
    file = write('start = "echo"\nworkers = 2\n[env]\nport = "8888"\nhost = "::1"\n[socket]\nlinger = 9')
    settings = load(file, ["workers=3", "env.port=9000", "workers=4", "socket.linger=2", "start=chat a=b"])
    assert (settings.workers, settings.start, settings.socket.linger) == (4, "chat a=b", 2.0)
    assert settings.env == {"port": "9000", "host": "::1"}


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("env.new=", "new", ""),
        ("env.new=8888", "new", "8888"),
        ("env.new=true", "new", "true"),
        ('env.new="quoted"', "new", '"quoted"'),
        ("env.a.b=c", "a.b", "c"),
        ("env.new=${HOME}", "new", "${HOME}"),
        ('env={new = "1"}', "new", "1"),
    ],
)
def test_an_override_takes_the_text_of_a_string_as_it_is(write: Write, override: str, key: str, value: str) -> None:
    assert load(write('start = "echo"\n[env]\nold = "1"'), [override]).env == {"old": "1", key: value}


def test_paths_in_overrides_are_relative_to_the_current_folder(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write('start = "echo"', "config/node.toml")
    monkeypatch.chdir(tmp_path)
    settings = load(file, ['service_path=["services"]', "logger=node.log"])
    assert (settings.service_path, settings.logger) == ((str(tmp_path / "services"),), str(tmp_path / "node.log"))


def test_a_file_that_an_override_includes_wins_over_the_file(write: Write) -> None:
    local = write("workers = 3\nstop_timeout = 3", "local.toml")
    settings = load(write('start = "echo"\nworkers = 2'), [f'include=["{local}"]', "stop_timeout=4"])
    assert (settings.workers, settings.stop_timeout) == (3, 4.0)


def test_an_override_stands_in_for_an_environment_variable_that_is_not_set(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PORT", raising=False)
    file = write('start = "echo"\n[env]\nport = "${PORT}"')
    assert load(file, ["env.port=9000"]).env == {"port": "9000"}
