"""A start service that fails: the node ends with exit code 3, and the last lines say where to look."""

import re
import socket
from pathlib import Path
from textwrap import dedent

import pytest

from tests.node.harness import ECHO, ROOT, ending, running

CONFIG = """\
start = "broken"
service_path = ["."]

[env]
colour = "green"
"""


def write_node(folder: Path, source: str) -> Path:
    """A config whose start service has this source."""
    (folder / "broken.py").write_text(dedent(source))
    config = folder / "node.toml"
    config.write_text(CONFIG)
    return config


def failure(folder: Path, source: str) -> str:
    """Run a node whose start service has this source; return its log."""
    with ending(write_node(folder, source), exit_code=3) as node:
        node.allow_trouble("")
        node.wait()
    assert "started at" not in node.text()
    return node.text()


def line_of(folder: Path, source: str) -> int:
    """The line of the mark `# here`."""
    return 1 + [("# here" in line) for line in dedent(source).splitlines()].index(True)


# -- the service's code ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "error"),
    [
        pytest.param(
            """\
            import skypy

            def main(:  # here
                pass
            """,
            "SyntaxError: invalid syntax",
            id="a syntax error",
        ),
        pytest.param("import skypy\n\n1 / 0  # here\n", "ZeroDivisionError: division by zero", id="the module's body"),
        pytest.param("import sys\nsys.exit('enough')  # here\n", "SystemExit: enough", id="sys.exit in the body"),
        pytest.param(
            """\
            import skypy

            @skypy.start
            def main() -> None:
                raise ValueError("plain start")  # here
            """,
            "ValueError: plain start",
            id="a plain start function",
        ),
        pytest.param(
            """\
            import skypy

            @skypy.start
            async def main() -> None:
                await skypy.sleep(0)
                raise ValueError("coroutine start")  # here
            """,
            "ValueError: coroutine start",
            id="a coroutine start function",
        ),
        pytest.param(
            """\
            import sys
            import skypy

            @skypy.start
            async def main() -> None:
                sys.exit("enough")  # here
            """,
            "SystemExit: enough",
            id="sys.exit in a coroutine start function",
        ),
        pytest.param(
            """\
            import skypy

            @skypy.start
            def main() -> None: ...

            @skypy.start  # here
            def other() -> None: ...
            """,
            "RuntimeError: other is a second start function, main is the first: a service has one",
            id="a second start function",
        ),
        pytest.param(
            """\
            import skypy

            @skypy.start  # here
            def main(count: int) -> None: ...
            """,
            "TypeError: main() missing 1 required positional argument: 'count'",
            id="a start function that wants other arguments",
        ),
    ],
)
def test_the_error_is_named_with_file_and_line(tmp_path: Path, source: str, error: str) -> None:
    text = failure(tmp_path, source)
    assert error in text
    assert f"{tmp_path}/node.toml: start: " in text
    if "# here" in source:
        assert f'File "{tmp_path}/broken.py", line {line_of(tmp_path, source)}' in text


@pytest.mark.parametrize(
    ("source", "words"),
    [
        pytest.param(f"x = {'-' * 100_000}1\n", r"cannot be loaded:|failed to start:", id="too deep for the compiler"),
        pytest.param("import asyncio\nraise asyncio.CancelledError('no')\n", "CancelledError: no", id="CancelledError"),
        pytest.param("raise ValueError('\\ud800')\n", r"ValueError: \\ud800", id="a text that no message carries"),
    ],
)
def test_whatever_loading_raises_ends_the_node(tmp_path: Path, source: str, words: str) -> None:
    text = failure(tmp_path, source)
    assert re.search(r'start: service "broken"', text)
    assert re.search(words, text)


def test_a_missing_setting_is_named_with_the_config_file(tmp_path: Path) -> None:
    text = failure(tmp_path, "import skypy\n\nskypy.getenv('color')  # here\n")
    assert f"{tmp_path}/node.toml: env.color: " in text
    assert "--set env.color=" in text
    assert f'File "{tmp_path}/broken.py", line 3' in text


def test_exit_in_the_start_function_ends_the_service_and_the_node_lives_on(tmp_path: Path) -> None:
    source = """\
        import skypy

        @skypy.start
        async def main():
            await skypy.sleep(0)
            skypy.exit()
            print("not reached")
        """
    with running(write_node(tmp_path, source)) as node:
        assert node.lines == ["[node] broken started and has exited"]


def test_declarations_and_sockets_of_the_service_are_gone_before_the_node_ends(tmp_path: Path) -> None:
    text = failure(
        tmp_path,
        """\
        import asyncio
        import skypy
        from skypy import socket

        async def clean_up():
            try:
                await asyncio.Event().wait()
            finally:
                print("cleaned up")

        @skypy.start
        async def main():
            await socket.start(await socket.listen("127.0.0.1", 0), print)
            skypy.fork(clean_up)
            await skypy.sleep(0.01)
            raise ValueError
        """,
    )
    assert "cleaned up" in text


# -- what is found before a process is started -------------------------------------------------------------------------


def test_a_start_service_that_is_not_there_is_exit_code_2_with_the_nearest_name() -> None:
    with ending("ecko", f'service_path=["{ROOT}/services"]', exit_code=2) as node:
        node.wait_for_line(
            r'^skypy: .*node\.toml: start: no service "ecko" \(looked for ecko.py in .*\); did you mean "echo"\?$'
        )
        node.wait()
    assert len(node.lines) == 1


# -- the port ----------------------------------------------------------------------------------------------------------


def test_a_port_in_use_is_exit_code_3_and_says_which_setting_to_change() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with ending(ECHO, f"env.port={port}", "workers=1", exit_code=3) as node:
            node.wait_for_line(
                rf"^\[node\] {re.escape(str(ECHO))}: env\.port: cannot listen on 127\.0\.0\.1:{port}: "
                r"Address already in use; choose another, for example --set env\.port=\d+$"
            )
            node.wait()
        assert len(node.lines) == 1
