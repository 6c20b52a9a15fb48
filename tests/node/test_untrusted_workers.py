"""A worker that sends bytes which are no messages, or has no memory for a message, is replaced; the others go on."""

import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from skypy.core.wire.frames import HEADER, MARK
from tests.node.harness import running

NONSENSE = {
    "zeros": bytes(8),
    "a single byte": b"\n",
    "four gigabytes": HEADER.pack(MARK, 0, 0, 0xFFFFFFFF),
}
WORDS = {
    "node": r"^\[node\] worker 2 has sent bytes that are not messages: .*; it is ended$",
    "another worker": r"^\[node\] worker 2 has sent bytes to another worker that are not messages; it is ended$",
    "socket service": r"^\[socket service\] a worker's lane was ended: it does not keep to the protocol: ",
}


def ask(client: socket.socket, line: str) -> str:
    """Send a line, and return the answer."""
    client.sendall(line.encode() + b"\n")
    answer = b""
    while not answer.endswith(b"\n"):
        data = client.recv(100)
        assert data, "the connection has ended"
        answer += data
    return answer.decode().strip()


@pytest.mark.parametrize("lane", WORDS)
@pytest.mark.parametrize("nonsense", NONSENSE)
def test_a_worker_that_has_sent_nonsense_is_replaced_and_the_others_live(lane: str, nonsense: str) -> None:
    with running("straying", "workers=2") as node, node.connect() as client:
        innocent, culprit = node.child("worker 1"), node.child("worker 2")
        node.allow_trouble(WORDS["socket service"])
        assert ask(client, f"{lane}:{NONSENSE[nonsense].hex()}") == "sent"
        node.wait_for_line(WORDS[lane])
        node.wait_for_line(r"^\[node\] worker 2 ended with exit status [01]; it is replaced$")
        assert ask(client, "length:1") == "ActorDead"
        assert ask(client, "new:") == "03000001"
        assert node.child("worker 1") == innocent
        assert node.child("worker 2") != culprit


# -- memory ------------------------------------------------------------------------------------------------------------


@contextmanager
def little_memory(pid: int, more: int) -> Iterator[None]:
    """Let a running process have only so many bytes more, for a while."""
    now = int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.prlimit(pid, resource.RLIMIT_AS)
    resource.prlimit(pid, resource.RLIMIT_AS, (now + more, before[1]))
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_AS, before)


def test_a_worker_without_memory_for_a_message_is_replaced_and_its_caller_told() -> None:
    with running("straying", "workers=2") as node, node.connect() as client:
        node.allow_trouble("MemoryError|Traceback|Exception in callback")
        culprit = node.child("worker 2")
        assert ask(client, "length:1") == "1"
        with little_memory(culprit, 8_000_000):
            assert ask(client, "length:20000000") == "ActorDead"
            node.wait_for_line(r"^\[node\] worker 2 ended with exit status 1; it is replaced$")
        assert ask(client, "new:") == "03000001"


def test_a_socket_service_without_memory_for_a_batch_ends_the_worker_that_has_sent_it_and_no_other() -> None:
    with running("talking_big", "workers=2") as node:
        ports = [int(node.wait_for_line(rf"^\[:0{index}\w+\] port (\d+)$")[1]) for index in (1, 2)]
        culprit, bystander = (node.connect(port) for port in ports)
        with culprit, bystander:
            assert ask(bystander, "1") == "x"
            node.allow_trouble("MemoryError|Traceback|error|wait to be sent")
            with little_memory(node.child("socket service"), 8_000_000):
                culprit.sendall(b"60000000\n")
                node.wait_for_line(r"^\[socket service\] no memory is left:$")
            node.wait_for_line(r"^\[node\] worker 1 ended with exit status 1; it is replaced$")
            node.wait_for_line(r"^\[node\] talking_big started at :", times=2)
            assert ask(bystander, "1") == "x"


def test_a_node_without_memory_for_a_message_ends_with_its_traceback() -> None:
    with running("straying", "workers=2", exit_code=1) as node, node.connect() as client:
        node.allow_trouble("Error|Traceback|error")
        with little_memory(node.pid, 8_000_000):
            client.sendall(b"argument:30000000\n")
            node.wait_for_line(r"^\[node\] an error in the node's own process, which ends:$")
            node.wait_for_line(r"^\[node\] MemoryError")
        assert node.wait() == 1
