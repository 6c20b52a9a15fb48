"""The commands as a shell sees them: standard output, standard error, exit code."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from skypy.cli.main import main


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A config that is right, with its service."""
    (tmp_path / "services").mkdir()
    (tmp_path / "services" / "echo.py").write_text('"""A service."""\n')
    file = tmp_path / "node.toml"
    file.write_text('start = "echo one"\nservice_path = ["services"]\n[env]\nport = "8888"\n')
    return file


def skypy(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, prog_name="skypy")


def assert_refused(result: Result, message: str) -> None:
    """One line on standard error, exit code 2, and no exception but the one that ends the process."""
    assert (result.exit_code, result.stdout) == (2, "")
    assert isinstance(result.exception, SystemExit)
    assert result.stderr == f"skypy: {message}\n"


# -- help and version --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["check", "-h"], ["client", "-h"]])
def test_every_help_text_shows_an_example_and_the_options(arguments: list[str]) -> None:
    result = skypy(*arguments)
    assert result.exit_code == 0
    assert "\nOptions:\n" in result.stdout
    assert "\n  Example:\n    skypy " in result.stdout


@pytest.mark.parametrize("command", ["run", "check", "client"])
def test_every_command_tells_its_exit_codes(command: str) -> None:
    assert "\n  Exit codes:\n    0  " in skypy(command, "--help").stdout


def test_version_is_one_line_with_all_the_versions() -> None:
    result = skypy("--version")
    assert (result.exit_code, result.stdout.count("\n")) == (0, 1)
    for name in ("skypy ", "Python ", "msgpack ", "Linux"):
        assert name in result.stdout


@pytest.mark.parametrize("arguments", [["run"], ["check"], ["client"], ["walk"], ["run", "a", "b"], ["run", "--sett"]])
def test_bad_usage_is_explained_with_exit_code_2(arguments: list[str]) -> None:
    result = skypy(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "\nError: " in result.stderr


def test_help_is_quick_because_it_loads_neither_config_nor_worker_nor_node() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "skypy", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "skypy.cli.main" in loaded
    assert not loaded & {"skypy.config", "skypy.worker", "skypy.node", "skypy.core", "asyncio", "msgpack"}


# -- check -------------------------------------------------------------------------------------------------------------


def test_check_shows_the_config_that_would_run(config: Path) -> None:
    result = skypy("check", str(config), "--set", "workers=3", "--set", "env.host=::1")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0].split(None, 1) == ["start", f"echo one ({config.parent}/services/echo.py)"]
    assert lines[1].split() == ["workers", "3"]
    assert '              host = "::1"' in lines
    assert "socket        linger = 5 s" in lines
    assert "              read_window = 131072 bytes" in lines
    assert 'node          spin = "auto"' in lines
    assert "              max_restarts = 5" in lines
    assert "              restart_period = 10 s" in lines
    assert "node          spin = 50 microseconds" in skypy("check", str(config), "--set", "node.spin=50").stdout
    assert lines[-1] == f"{config} is fine."


def test_check_shows_the_place_and_the_text_of_a_syntax_error(config: Path) -> None:
    service = config.parent / "services" / "echo.py"
    service.write_text("import skypy\n\ndef main(:\n    pass\n")
    assert_refused(skypy("check", str(config)), f"{service}:3: invalid syntax: def main(:")


@pytest.mark.parametrize("source", [b"a = '\xff'\n", b"a = 1\0\n"])
def test_check_refuses_a_file_that_is_not_python_text(config: Path, source: bytes) -> None:
    (config.parent / "services" / "echo.py").write_bytes(source)
    result = skypy("check", str(config))
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert isinstance(result.exception, SystemExit)


# -- run and check refuse the same configs -----------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["run", "check"])
class TestRefused:
    def test_missing_file(self, command: str) -> None:
        assert_refused(skypy(command, "no/such.toml"), "no/such.toml: No such file or directory")

    def test_folder_instead_of_a_file(self, command: str, tmp_path: Path) -> None:
        assert_refused(skypy(command, str(tmp_path)), f"{tmp_path}: Is a directory")

    def test_unknown_key(self, command: str, config: Path) -> None:
        config.write_text("worker = 2")
        assert_refused(skypy(command, str(config)), f"{config}: worker: unknown key; did you mean workers?")

    def test_wrong_type(self, command: str, config: Path) -> None:
        config.write_text("[env]\nport = 8888")
        assert_refused(skypy(command, str(config)), f'{config}: env.port: must be a string; write port = "8888"')

    def test_wrong_override(self, command: str, config: Path) -> None:
        result = skypy(command, str(config), "--set", "workers=0")
        message = "--set: workers: must be a whole number from 1 to 64, like workers = 4; found 0"
        assert_refused(result, message)

    def test_service_that_is_not_there(self, command: str, config: Path) -> None:
        result = skypy(command, str(config), "--set", "start=ecko")
        folder = config.parent / "services"
        message = f'{config}: start: no service "ecko" (looked for ecko.py in {folder}); did you mean "echo"?'
        assert_refused(result, message)

    def test_service_without_a_service_path(self, command: str, config: Path) -> None:
        config.write_text('start = "echo"')
        result = skypy(command, str(config))
        message = f'{config}: start: no service "echo" (looked for echo.py in nowhere: service_path is empty)'
        assert_refused(result, message)
