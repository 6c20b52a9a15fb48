"""The Redis-protocol server in three services, as real clients see it: bytes, redis-py, redis-cli, redis-benchmark."""

import random
import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest
import redis

from tests.node.clients import finish, is_gone, random_pieces, read_exactly, read_to_end
from tests.node.harness import ROOT, RunningNode, free_port, running

CONFIG = ROOT / "config" / "redis.toml"


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def shared(port: int) -> Iterator[RunningNode]:
    with running(CONFIG, f"env.port={port}") as node:
        for _ in range(2):  # the agents of both workers: what they hold from now on is no leak
            with node.connect(port) as client:
                client.sendall(b"GET nobody\r\nQUIT\r\n")
                assert read_to_end(client) == b"$-1\r\n+OK\r\n"
        node.has_started()
        yield node


def needs(tool: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(tool) is None, reason=f"{tool} is not installed")


# -- bytes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        (b"PING\r\n", b"+PONG\r\n"),
        (b"*1\r\n$4\r\nPING\r\n", b"+PONG\r\n"),
        (b"*2\r\n$4\r\nECHO\r\n$2\r\n\r\n\r\n", b"$2\r\n\r\n\r\n"),
        (b"GET nobody\r\n", b"$-1\r\n"),
        (b"SET b 1\r\nincr b\nget b\r\nDEL b\r\n", b"+OK\r\n:2\r\n$1\r\n2\r\n:1\r\n"),
        (b"\r\n\r\nPING\r\n", b"+PONG\r\n"),
        (b"*0\r\nPING\r\n", b"+PONG\r\n"),
        (b"NONSENSE 1\r\nPING\r\n", b"-ERR unknown command 'NONSENSE'\r\n+PONG\r\n"),
        (b"GET\r\n", b"-ERR wrong number of arguments for 'get' command\r\n"),
        (b"QUIT\r\nPING\r\n", b"+OK\r\n"),
        (b"*1\r\n:4\r\nPING\r\n", b"-ERR Protocol error: expected '$', got ':'\r\n"),
        (b"*x\r\nPING\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
        (b"*1\r\n$-5\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
        (b"", b""),
        (b"*2\r\n$3\r\nGET\r\n$100\r\nhalf", b""),
    ],
)
def test_requests_get_their_replies_also_after_the_clients_end(
    node: RunningNode, port: int, request_: bytes, reply: bytes
) -> None:
    with node.connect(port) as client:
        client.sendall(request_)
        finish(client)
        assert read_to_end(client) == reply


def test_requests_may_come_in_any_pieces(node: RunningNode, port: int) -> None:
    source = random.Random(1)
    values = [source.randbytes(size) for size in (0, 1, 4096, 65536, 200_000)]
    requests = b"".join(b"*3\r\n$3\r\nSET\r\n$1\r\n%d\r\n$%d\r\n%b\r\n" % (i, len(v), v) for i, v in enumerate(values))
    requests += b"".join(b"*2\r\n$3\r\nGET\r\n$1\r\n%d\r\n" % i for i in range(len(values)))
    expected = b"+OK\r\n" * len(values) + b"".join(b"$%d\r\n%b\r\n" % (len(v), v) for v in values)
    with node.connect(port) as client:
        for piece in random_pieces(source, requests):
            client.sendall(piece)
        assert read_exactly(client, len(expected)) == expected


def test_a_client_that_breaks_the_protocol_is_ended_and_others_go_on(node: RunningNode, port: int) -> None:
    with node.connect(port) as other, node.connect(port) as client:
        client.sendall(b"*1\r\n$99999999999\r\n")
        assert read_to_end(client) == b"-ERR Protocol error: invalid bulk length\r\n"
        assert is_gone(client)
        other.sendall(b"PING\r\n")
        assert read_exactly(other, 7) == b"+PONG\r\n"


# -- redis-py ----------------------------------------------------------------------------------------------------------


def test_redis_py_is_served(node: RunningNode, port: int) -> None:
    with redis.Redis("127.0.0.1", port, protocol=2) as client:
        assert client.ping()
        assert client.set("key", b"\x00\r\n\xff")
        assert client.get("key") == b"\x00\r\n\xff"
        assert client.incr("number") == 1
        assert client.decr("number") == 0
        assert client.mget("key", "number", "none") == [b"\x00\r\n\xff", b"0", None]
        assert client.exists("key", "number", "none") == 2
        assert client.keys("num*") == [b"number"]
        assert client.delete("key", "number", "none") == 2
        with pytest.raises(redis.ResponseError, match="unknown command"):
            client.execute_command("NONSENSE")


def test_clients_of_all_workers_share_one_store(node: RunningNode, port: int) -> None:
    """The listener gives them to the agents of both workers in turn."""
    with redis.Redis("127.0.0.1", port, protocol=2, single_connection_client=True) as one:
        assert one.set("shared", "0")
        with redis.Redis("127.0.0.1", port, protocol=2, single_connection_client=True) as two:
            for _ in range(50):
                one.incr("shared")
                two.incr("shared")
            assert one.get("shared") == two.get("shared") == b"100"


def test_a_pipeline_is_answered_in_order(node: RunningNode, port: int) -> None:
    with redis.Redis("127.0.0.1", port, protocol=2) as client, client.pipeline(transaction=False) as pipeline:
        for number in range(1000):
            pipeline.set("p", number).get("p")
        replies = pipeline.execute()
        assert replies[1::2] == [b"%d" % number for number in range(1000)]


# -- the real tools ----------------------------------------------------------------------------------------------------


@needs("redis-cli")
def test_redis_cli_is_served(node: RunningNode, port: int) -> None:
    commands = "SET cli 1\nINCR cli\nGET cli\nGET none\nDEL cli\nNONSENSE\nPING\n"
    done = subprocess.run(
        ["redis-cli", "-p", str(port)], input=commands, capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.split("\n") == ["OK", "2", "2", "", "1", "ERR unknown command 'NONSENSE'", "", "PONG", ""]


@needs("redis-benchmark")
@pytest.mark.parametrize("pipeline", [1, 16])
def test_redis_benchmark_is_served(node: RunningNode, port: int, pipeline: int) -> None:
    command = f"redis-benchmark -p {port} -t ping,set,get,incr -c 50 -P {pipeline} -n 4000 --csv"
    done = subprocess.run(command.split(), capture_output=True, text=True, check=False, timeout=50)
    assert done.returncode == 0, done.stderr
    rates = dict(re.findall(r'^"(\w+)[^"]*","([\d.]+)"', done.stdout, re.MULTILINE))
    assert {"PING_INLINE", "PING_MBULK", "SET", "GET", "INCR"} <= set(rates)
    assert all(float(rate) > 0 for rate in rates.values())
    with redis.Redis("127.0.0.1", port, protocol=2) as client:
        counter = client.get("counter:__rand_int__")
        assert isinstance(counter, bytes)
        assert int(counter) % 4000 == 0  # none of the increments is lost, none was made twice
