"""One node for all of these tests, with a subject that runs their commands; `check` runs after every test."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conformance.subject import RESET_LINE, Ends, Subject
from tests.node.conftest import node, pytest_runtest_makereport
from tests.node.harness import RunningNode, running

__all__ = ["node", "pytest_runtest_makereport"]

CONFIG = Path(__file__).parent / "services" / "node.toml"


@contextmanager
def running_subject(*overrides: str) -> Iterator[tuple[RunningNode, Subject]]:
    """Run a node and connect to its subject, before the resources of the node are counted for the first test."""
    with running(CONFIG, "start=subject", *overrides) as node:
        subject = Subject(node)
        subject("forget_events", 0)  # it has accepted us
        other = subject("another", 2)
        subject("ask", other, "forget_events", 0)  # and the bus between the workers is there
        subject("kill", other)
        node.has_started()
        yield node, subject
        subject.close()


@pytest.fixture(scope="session")
def with_subject() -> Iterator[tuple[RunningNode, Subject]]:
    """The node that most of these tests share, and its subject."""
    with running_subject() as both:
        yield both


@pytest.fixture(scope="session")
def shared(with_subject: tuple[RunningNode, Subject]) -> RunningNode:
    """The node."""
    return with_subject[0]


@pytest.fixture
def ends(subject: Subject) -> Iterator[Ends]:
    """A client, and the subject's socket of it."""
    with subject.client(subject.serve()[1]) as ends:
        yield ends


@pytest.fixture
def subject(node: RunningNode, with_subject: tuple[RunningNode, Subject]) -> Iterator[Subject]:
    """The subject, which closes after a test everything that is left open."""
    # A client that leaves with our bytes unread resets the connection; the line may come behind the end of its test.
    node.allow_trouble(RESET_LINE)
    yield with_subject[1]
    with_subject[1]("tidy")
