"""Line echo: throughput, latency, latency at half of saturation, and the cost of a line as connections grow."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.build import GENERATORS, LOAD
from benchmarks.cases.generator import generated, server_cost
from benchmarks.model import Case, Measurement, Timing
from benchmarks.processes import HOST
from benchmarks.socket_servers import Load, contenders

LINE_BYTES = 32
EVERYBODY = (
    "skypy, skypy sleeping, skypy compiled, asyncio streams, asyncio Protocol, uvloop streams, uvloop Protocol, "
    "gevent, skynet, Erlang, Netty, C"
)
SOME = "skypy, asyncio streams, uvloop streams, uvloop Protocol, skynet, Netty, C"


def closed_load(connections: int, in_flight: int) -> Callable[[int, Timing], list[str]]:
    def arguments(port: int, timing: Timing) -> list[str]:
        fixed = [HOST, str(port), str(connections), str(in_flight), str(LINE_BYTES)]
        return [*fixed, str(timing.seconds), str(timing.warmup_seconds)]

    return arguments


def line_echo(connections: int, in_flight: int, value: str) -> Load:
    return generated(LOAD / "line_echo.c", closed_load(connections, in_flight), value)


def cost(connections: int) -> Load:
    load = server_cost(LOAD / "line_echo.c", closed_load(connections, 1), "requests")

    def unhurried(port: int, pid: int, timing: Timing) -> Measurement:
        # Ten thousand connections take their time to have a line each; processor time is counted in steps of 10 ms.
        return load(port, pid, Timing(max(1.0, timing.seconds), max(0.6, timing.warmup_seconds)))

    return unhurried


def paced_load(port: int, timing: Timing) -> list[str]:
    saturation_seconds = max(0.5, timing.warmup_seconds)
    paced_seconds = max(1.5, timing.seconds)  # a percentile of a shorter one hangs on a single stall
    return [HOST, str(port), "50", "x0.5", str(LINE_BYTES), str(paced_seconds), str(saturation_seconds)]


paced_p99 = generated(GENERATORS / "paced_echo.c", paced_load, "latency_p99_microseconds")


def throughput(connections: int, in_flight: int, names: str, aims: dict[str, float]) -> Case:
    return Case(
        f"echo-{connections}x{in_flight}",
        f"line echo, {connections} connections with {in_flight} lines of {LINE_BYTES} bytes in flight on each",
        "lines/s",
        "higher",
        contenders("echo", line_echo(connections, in_flight, "requests_per_second"), names),
        aims,
        quick=connections == 50,
        guarded_by="asyncio streams",
    )


def growth(connections: int) -> Case:
    return Case(
        f"growth-connections-{connections}",
        f"processor time of the server for a line, {connections} connections with 1 line in flight on each",
        "us/line",
        "lower",
        contenders("echo", cost(connections), "skypy, asyncio streams, uvloop streams, skynet, C"),
        long=True,
    )


CASES = (
    throughput(50, 16, f"{EVERYBODY}, uvloop Protocol joined", {"skynet": 3, "uvloop Protocol": 5}),
    throughput(50, 1, EVERYBODY, {"skynet": 1.1, "uvloop streams": 1.2}),
    throughput(500, 1, f"{SOME}, skypy compiled", {"skynet": 1.1, "uvloop streams": 1.2}),
    Case(
        "latency-1x1",
        "line echo, one connection with one line in flight: median latency",
        "us",
        "lower",
        contenders("echo", line_echo(1, 1, "latency_p50_microseconds"), EVERYBODY),
        {"asyncio streams": 1.43},
        quick=True,
    ),
    Case(
        "latency-at-half",
        "line echo on 50 connections at half of the rate that saturates the server: 99th percentile of latency",
        "us",
        "lower",
        contenders(
            "echo",
            paced_p99,
            "skypy, asyncio streams, uvloop streams, skynet",
        ),
        {"asyncio streams": 1},
    ),
    *map(growth, (10, 100, 1_000, 10_000)),
)
