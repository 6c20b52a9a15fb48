"""The check after every test with a node that tests share: see `RunningNode.check`."""

from collections.abc import Generator, Iterator

import pytest

from tests.node.harness import RunningNode

_failed = pytest.StashKey[bool]()


@pytest.fixture
def node(shared: RunningNode, request: pytest.FixtureRequest) -> Iterator[RunningNode]:
    """The node that the tests of a file share: its fixture `shared` starts it."""
    shared.begin_test()
    yield shared
    if request.node.stash.get(_failed, False):
        print(shared.log())
    else:
        shared.check()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[_failed] = item.stash.get(_failed, False) or report.failed
    return report
