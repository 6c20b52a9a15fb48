"""`skypy bench` against servers that echo, and against some that do not."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from skypy.cli.bench import report

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler named cc")


@contextmanager
def serving(answer: Callable[[bytes], bytes]) -> Iterator[str]:
    """A server that answers everything it reads; nothing to an empty answer but the end of the connection."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(client: socket.socket) -> None:
        with client:
            try:
                while (data := client.recv(65536)) and (reply := answer(data)):
                    client.sendall(reply)
            except ConnectionError:
                pass

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(client,), daemon=True).start()

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def bench(address: str, *options: str) -> subprocess.CompletedProcess[str]:
    short = ["--connections", "3", "--in-flight", "4", "--seconds", "0.2", "--warmup", "0.05"]
    command = [sys.executable, "-m", "skypy", "bench", address, *short, *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)


@pytest.mark.parametrize("generator", [pytest.param("c", marks=needs_compiler), "python"])
def test_an_echo_is_measured_and_the_generator_named(generator: str) -> None:
    with serving(lambda data: data) as address:
        run = bench(address, "--generator", generator, "--json")
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout)
    assert result["generator"] == generator
    assert result["requests"] > 0
    assert 0 < result["latency_p50_microseconds"] <= result["latency_max_microseconds"]


@pytest.mark.parametrize("generator", [pytest.param("c", marks=needs_compiler), "python"])
def test_a_changed_byte_gives_no_figure(generator: str) -> None:
    with serving(bytes.upper) as address:
        run = bench(address, "--generator", generator)
    assert run.returncode == 1
    assert run.stdout == ""
    assert "came back" in run.stderr


@pytest.mark.parametrize("generator", [pytest.param("c", marks=needs_compiler), "python"])
def test_a_server_that_hangs_up_gives_no_figure(generator: str) -> None:
    with serving(lambda _: b"") as address:
        run = bench(address, "--generator", generator)
    assert run.returncode == 1
    assert run.stdout == ""
    assert run.stderr.startswith(("3 connections", "skypy:"))


def test_a_port_without_a_listener_is_said_in_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: there is no answer
        run = bench(f"127.0.0.1:{taken.getsockname()[1]}", "--generator", "python")
    assert run.returncode == 1
    assert "refused" in run.stderr


def test_a_wrong_address_is_bad_usage() -> None:
    run = bench("nowhere")
    assert run.returncode == 2
    assert "HOST:PORT" in run.stderr


RESULT: dict[str, float | str] = {
    "requests_per_second": 123456.7,
    "latency_p50_microseconds": 10,
    "latency_p99_microseconds": 20,
    "latency_max_microseconds": 30,
    "generator_cpu_fraction": 0.4,
    "generator": "c",
}


def test_the_report_has_rate_latency_and_generator() -> None:
    assert report(RESULT).splitlines() == [
        "123,457 lines/s",
        "latency: median 10 us, 99 % 20 us, largest 30 us",
        "load generator: C, 40 % of one core",
    ]


def test_a_busy_generator_is_named_as_the_limit() -> None:
    assert "busy" in report(RESULT | {"generator": "python", "generator_cpu_fraction": 0.97}).splitlines()[-1]
