"""Large messages, bulk in one direction, short connections, broadcast."""

from __future__ import annotations

from benchmarks.build import GENERATORS, LOAD
from benchmarks.cases.generator import generated
from benchmarks.model import Case, Timing
from benchmarks.processes import HOST
from benchmarks.socket_servers import Load, contenders

SOME = "skypy, asyncio streams, uvloop streams, skynet, C"
MESSAGE_BYTES = 65536


def message_load(port: int, timing: Timing) -> list[str]:
    return [HOST, str(port), "8", "1", str(MESSAGE_BYTES), str(timing.seconds), str(timing.warmup_seconds)]


def bulk_load(direction: str) -> Load:
    def arguments(port: int, timing: Timing) -> list[str]:
        return [direction, HOST, str(port), str(timing.seconds)]

    return generated(GENERATORS / "bulk.c", arguments, "megabytes_per_second")


def short_load(port: int, timing: Timing) -> list[str]:
    return [str(port), "50", str(timing.seconds), str(timing.warmup_seconds)]


def broadcast_load(in_flight: int) -> Load:
    def arguments(port: int, timing: Timing) -> list[str]:
        return [HOST, str(port), "1000", str(in_flight), str(timing.seconds), str(timing.warmup_seconds)]

    return generated(GENERATORS / "broadcast.c", arguments, "deliveries_per_second")


def broadcast(in_flight: int, aims: dict[str, float]) -> Case:
    return Case(
        f"broadcast-1000x{in_flight}",
        f"one actor sends to 1,000 connections what one of them sends; {in_flight} such lines under way",
        "deliveries/s",
        "higher",
        contenders(
            "broadcast",
            broadcast_load(in_flight),
            "skypy, asyncio streams, uvloop streams, uvloop Protocol, gevent, skynet, C",
        ),
        aims,
        quick=in_flight == 1,
        guarded_by="asyncio streams",
    )


CASES = (
    Case(
        "echo-64KiB",
        "echo of messages of 64 KiB, 8 connections with one under way on each",
        "messages/s",
        "higher",
        contenders("message", generated(LOAD / "line_echo.c", message_load, "requests_per_second"), SOME),
        {"asyncio streams": 1},
        guarded_by="asyncio streams",
    ),
    Case(
        "bulk-up",
        "one connection, client to server, as fast as it goes",
        "MB/s",
        "higher",
        contenders("sink", bulk_load("up"), SOME),
        {"asyncio streams": 1},
        guarded_by="asyncio streams",
    ),
    Case(
        "bulk-down",
        "one connection, server to client, in blocks of 1 MiB that the client asks for",
        "MB/s",
        "higher",
        contenders("source", bulk_load("down"), SOME),
        {"asyncio streams": 1},
        guarded_by="asyncio streams",
    ),
    Case(
        "short-connections",
        "connect, one line there and back, close; 50 at any time",
        "connections/s",
        "higher",
        contenders(
            "echo",
            generated(GENERATORS / "short_connections.c", short_load, "connections_per_second"),
            "skypy, skypy compiled, asyncio streams, uvloop streams, uvloop Protocol, gevent, skynet, C",
        ),
        {"skynet": 1},
        quick=True,
        guarded_by="asyncio streams",
    ),
    broadcast(1, {"skynet": 1.5, "uvloop streams": 1.5}),
    broadcast(16, {"skynet": 1.5, "uvloop streams": 1.5}),
    Case(
        "broadcast-foreign",
        "one actor sends to 1,000 connections of another worker what one of them sends; one such line under way",
        "deliveries/s",
        "higher",
        contenders("broadcast_foreign", broadcast_load(1), "skypy, skypy on one worker"),
        {"skypy on one worker": 0.8},
    ),
)
