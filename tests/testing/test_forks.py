"""Tests of services run in forked processes as anywhere else: a node in memory has nothing to give up in a child."""

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
SERVICES = Path(__file__).parent / "services"

RUNNER_THAT_FORKS = """
import os
import pytest
from _pytest.runner import runtestprotocol

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item):
    child = os.fork()
    if not child:
        reports = runtestprotocol(item, nextitem=None, log=False)
        for report in reports:
            print(report.longreprtext, flush=True)
        os._exit(0 if all(report.passed for report in reports) else 1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(f"{item.name} {'passed' if status == 0 else 'failed'} in a child")
    return None
"""


def test_a_node_in_memory_runs_in_a_forked_process_and_beside_forks(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(RUNNER_THAT_FORKS)
    pytester.makepyfile(
        "import os, pytest\n"
        f"@pytest.mark.skypy(service_path=[{str(SERVICES)!r}])\n"
        "async def test_it(system):\n"
        "    bank = await system.newservice('bank')\n"
        "    if not (child := os.fork()):\n"
        "        os._exit(7)\n"
        "    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7\n"
        "    assert await system.call(bank, 'get') == 0\n"
    )
    result = pytester.runpytest_subprocess("-s", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*test_it passed in a child*"])
