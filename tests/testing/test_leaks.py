"""A test fails when it leaves something behind or has errors that it does not expect; every failure names its seed."""

import gc
import re
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
SERVICES = Path(__file__).parent / "services"


def play(pytester: pytest.Pytester, body: str, *options: str) -> str:
    """Play a test with this body, and return the output of pytest."""
    lines = "\n".join(f"    {line}" for line in body.strip().split("\n"))
    pytester.makepyfile(
        "import asyncio, pytest, skypy\n"
        f"@pytest.mark.skypy(service_path=[{str(SERVICES)!r}], env={{'port': '7'}})\n"
        f"async def test_it(system, connect, clock):\n{lines}"
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:hypothesispytest", *options)
    return "\n".join(result.outlines)


def test_a_test_that_leaves_nothing_passes(pytester: pytest.Pytester) -> None:
    assert "1 passed" in play(pytester, "await system.newservice('clockwork')")


KILLED = "service = await system.newservice('leaky', worker=2)\nawait system.call(service, '{}')\nsystem.kill_worker(2)"
DUPLICATE = """
service = await system.newservice('leaky')
await system.call(service, 'duplicate_socket', await system.call(service, 'a_listener'))
"""


@pytest.mark.parametrize(
    ("body", "said"),
    [
        pytest.param(
            "await system.call(await system.newservice('leaky'), 'open_file')", "files left open: ", id="a file"
        ),
        pytest.param(
            "service = await system.newservice('leaky')\nclient = await connect(7)\nclient.shutdown_write()",
            "its peer has ended, and the service has not closed it",
            id="a socket",
        ),
        pytest.param(
            "await system.call(await system.newservice('leaky'), 'start_stubborn_task')", "a task is left", id="a task"
        ),
        pytest.param(
            "await system.call(await system.newservice('leaky'), 'start_program')", "processes left: ", id="a process"
        ),
        pytest.param(
            "system.send(await system.newservice('leaky'), 'fail')", "ZeroDivisionError: division", id="an error line"
        ),
        pytest.param(DUPLICATE, "left open by worker 1: <listening on 127.0.0.1:7>", id="a descriptor of a worker"),
        pytest.param(KILLED.format("start_program"), "processes left: ", id="a process of a worker that was killed"),
        pytest.param(
            "await system.call(await system.newservice('leaky'), 'fail_politely')",
            "but an error",
            id="an error that is logged",
        ),
        pytest.param("system.expect_error('boom')", "no line of the log matches 'boom'", id="an error that is not met"),
        pytest.param(
            "await system.call(await system.newservice('clockwork'), 'wait_for_ever')",
            "everything waits, and nothing is left that could end a wait",
            id="a wait for nothing",
        ),
        pytest.param(
            "clock.autojump = False\nawait system.call(await system.newservice('clockwork'), 'sleep', 1.0)",
            "the clock does not jump by itself",
            id="a clock that stands still",
        ),
    ],
)
def test_it_fails_with_its_reason_and_its_seed(pytester: pytest.Pytester, body: str, said: str) -> None:
    said_by_pytest = play(pytester, body, "--skypy-seed", "7")
    assert "1 failed" in said_by_pytest
    assert said in said_by_pytest
    assert "skypy seed 7; repeat with --skypy-seed 7" in said_by_pytest


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_file_that_the_garbage_collector_would_close_is_left_open(pytester: pytest.Pytester) -> None:
    said = play(pytester, "await system.call(await system.newservice('leaky'), 'open_socket')")
    assert re.search(r"unclosed <socket\.socket|files left open: socket:", said)  # it may be closed already
    gc.collect()


def test_a_failing_assertion_shows_the_line_of_the_test(pytester: pytest.Pytester) -> None:
    assert "E       assert 1 == 2" in play(pytester, "assert 1 == 2")


def test_an_expected_error_is_none(pytester: pytest.Pytester) -> None:
    body = "system.expect_error('ZeroDivisionError')\nsystem.send(await system.newservice('leaky'), 'fail')"
    assert "1 passed" in play(pytester, body)


def test_a_failure_of_a_test_that_has_a_node_of_its_own_is_reported_as_any_other(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import pytest\n@pytest.fixture\ndef node(): return 7\ndef test_it(node): assert node == 8")
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:hypothesispytest")
    result.assert_outcomes(failed=1)


REAL = """
import pytest

@pytest.mark.skypy(service_path=[{services!r}], env={{'port': '0'}})
async def test_it(node):
    service = await node.newservice('leaky', worker=2)
    {body}
"""


@pytest.mark.parametrize(
    ("body", "said"),
    [
        pytest.param("await node.call(service, 'open_file')", "files left open: /dev/null", id="a file"),
        pytest.param(
            "await node.call(service, 'duplicate_socket', await node.call(service, 'a_listener'))",
            "sockets left: socket:",
            id="a socket",
        ),
        pytest.param(
            "await node.call(service, 'lose_socket')",
            "sockets left: socket:",
            id="a real socket",
        ),
        pytest.param("await node.call(service, 'start_program')", "processes left: sleep 10", id="a process"),
        pytest.param(
            "await node.call(service, 'start_program'); node.kill_worker(2)",
            "processes left: sleep 10",
            id="a process of a worker that was killed",
        ),
        pytest.param(
            "await node.call(service, 'fail_politely')",
            "declares one):\n[:02000001] no traceback,\n[:02000001] but an error",
            id="an error that is logged",
        ),
    ],
)
def test_real_processes_say_what_is_left_in_them(pytester: pytest.Pytester, body: str, said: str) -> None:
    pytester.makepyfile(REAL.format(services=str(SERVICES), body=body))
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:hypothesispytest")
    result.assert_outcomes(failed=1)
    assert said in "\n".join(result.outlines)
