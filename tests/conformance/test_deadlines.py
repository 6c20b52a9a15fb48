"""A node with short deadlines and low limits: a neglected socket ends and tells why, and others do not notice."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Iterator

import pytest

from tests.conformance.conftest import running_subject
from tests.conformance.subject import MIB, Failed, Held, Subject, digest_to_end, take
from tests.node.clients import finish, read_to_end
from tests.node.harness import RunningNode

LIMIT = 4 * MIB


@pytest.fixture(scope="session")
def with_subject() -> Iterator[tuple[RunningNode, Subject]]:
    """A node with deadlines that pass while a test waits for them."""
    limits = {"half_close_timeout": 0.2, "claim_timeout": 1.0, "write_limit": LIMIT}
    with running_subject(*(f"socket.{name}={value}" for name, value in limits.items())) as both:
        yield both


@pytest.fixture(scope="session")
def shared(with_subject: tuple[RunningNode, Subject]) -> RunningNode:
    """The node of this module, in place of the one that other modules share."""
    return with_subject[0]


@pytest.fixture
def other(subject: Subject, port: int) -> Iterator[None]:
    """A second client, which gets its answer in spite of everything that happens to the first one."""
    with subject.client(port) as (client, held):
        yield
        client.sendall(b"question")
        assert held.read(8) == b"question"
        held.write(b"answer")
        held.close()
        assert read_to_end(client) == b"answer"


@pytest.fixture
def port(subject: Subject) -> int:
    """The port of a listener."""
    return subject.serve()[1]


@pytest.mark.usefixtures("other")
class TestHalfCloseTimeout:
    def test_a_half_closed_connection_that_its_owner_forgets_is_closed(self, subject: Subject, port: int) -> None:
        before = subject("counter", "closed: half_close_timeout")
        with subject.client(port) as (client, held):
            finish(client)
            assert read_to_end(client) == b""
            assert held("event", "half_close_timeout") == ["eof", "half_close_timeout"]
            assert not held.write(b"too late")
            assert held.read() is None
            subject.node.wait_for_line(
                rf"^\[:01000001\] socket: {held.fd} was finished by its peer and nothing was written for "
                r"half_close_timeout \(0\.2 s\): closed$"
            )
        assert subject("counter", "closed: half_close_timeout") == before + 1

    def test_bytes_that_came_before_can_still_be_read(self, subject: Subject, port: int) -> None:
        with subject.client(port) as (client, held):
            client.sendall(b"question")
            finish(client)
            assert read_to_end(client) == b""
            assert held("readall") == b"question"


@pytest.mark.usefixtures("other")
class TestWriteLimit:
    def test_a_write_beyond_it_ends_the_connection(self, subject: Subject, port: int) -> None:
        subject.node.expect_trouble(rf"socket: error on \d+ {os.strerror(errno.ENOBUFS)} \(write_limit\)$")
        with subject.client(port) as (client, held):
            assert not held("pour", 4 * LIMIT)
            assert held("event", "write_limit") == ["write_limit"]
            with pytest.raises(Failed) as failed:
                held("drain")
            assert (failed.value.name, failed.value.errno) == ("SocketBroken", errno.ENOBUFS)
            assert not held.write(b"more")
            with pytest.raises(ConnectionResetError):
                digest_to_end(client)

    def test_a_reader_that_is_too_slow_is_cut_off_when_it_has_come_to_it(self, subject: Subject, port: int) -> None:
        subject.node.expect_trouble(rf"socket: error on \d+ {os.strerror(errno.ENOBUFS)} \(write_limit\)$")
        with subject.client(port) as (client, held):
            accepted = 0
            while held("pour", MIB):
                accepted += MIB
            assert accepted >= LIMIT - MIB
            assert held("event", "write_limit")[-1] == "write_limit"
            with pytest.raises(ConnectionResetError):
                digest_to_end(client)

    def test_one_that_keeps_up_gets_any_amount(self, subject: Subject, port: int) -> None:
        with subject.client(port) as (client, held):
            producing = held.begin("produce", 256, 65536)
            assert digest_to_end(client)[0] == 256 * 65536
            producing.result()


@pytest.mark.usefixtures("other")
class TestClaimTimeout:
    def test_an_abandoned_connection_that_nobody_starts_is_closed(self, subject: Subject, port: int) -> None:
        with subject.client(port) as (client, held):
            held("abandon")
            assert read_to_end(client) == b""
            assert held.fails("start") == "SocketClosed"
            says_claim_timeout(subject, held, client)

    def test_a_client_that_nobody_starts_is_closed(self, subject: Subject) -> None:
        _, port = subject.serve(start=False)
        with subject.client(port) as (client, held):
            assert read_to_end(client) == b""
            assert held("event", "claim_timeout") == ["claim_timeout"]
            says_claim_timeout(subject, held, client)

    @pytest.mark.parametrize("worker", [1, 2])
    def test_one_that_is_started_by_somebody_else_is_kept(self, subject: Subject, port: int, worker: int) -> None:
        """It still lives when another one, abandoned later, has ended."""
        other = subject("another", worker)
        with subject.client(port) as (client, held), subject.client(port) as (left, held_and_left):
            client.sendall(b"unread")
            held("abandon")
            subject("ask", other, "start", held.fd)
            held_and_left("abandon")
            assert read_to_end(left) == b""
            assert subject("ask", other, "read", held.fd, 6) == b"unread"
            subject("ask", other, "write", held.fd, b"answer")
            assert take(client, 6) == b"answer"
            subject("kill", other)
            assert read_to_end(client) == b""


def says_claim_timeout(subject: Subject, held: Held, client: socket.socket) -> None:
    subject.node.wait_for_line(
        rf"^\[:01000001\] socket: {held.fd} from 127\.0\.0\.1:{client.getsockname()[1]} was not started by any actor "
        r"within claim_timeout \(1 s\): closed$"
    )


def test_each_reason_is_counted(subject: Subject, port: int) -> None:
    """Every end that the socket service has seen has one name."""
    with subject.client(port) as (client, held):
        before = subject("counter", "closed: aborted")
        held("abort")
        with contextlib.suppress(ConnectionResetError):
            read_to_end(client)
        subject.node.eventually(lambda: bool(subject("counter", "closed: aborted") == before + 1), "it is not counted")
