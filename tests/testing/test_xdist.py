"""Tests of services run under pytest-xdist as anywhere else."""

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
SERVICES = Path(__file__).parent / "services"


@pytest.mark.parametrize("expected", [True, False])
def test_half_a_character_in_the_log_does_no_harm(pytester: pytest.Pytester, expected: bool) -> None:
    pytest.importorskip("xdist")
    pytester.makepyfile(
        "import pytest\n"
        f"@pytest.mark.skypy(service_path=[{str(SERVICES)!r}], env={{'port': '7'}})\n"
        "async def test_it(system):\n"
        f"    {expected} and system.expect_error('ud800')\n"
        "    await system.call(await system.newservice('leaky'), 'log_half_a_character')\n"
    )
    result = pytester.runpytest_subprocess("-n", "1", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=int(expected), failed=int(not expected))
