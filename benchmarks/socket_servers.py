"""The servers of sockets. Each knows some of the modes echo, joined, message, sink, source and broadcast."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Mapping
from functools import partial

from benchmarks import rivals
from benchmarks.build import build, build_erlang, build_java, no_compiler
from benchmarks.model import Contender, Measurement, Timing
from benchmarks.processes import FOLDER, HOST, Command, check_alive, free_port, running, wait_until_accepting

SERVERS = FOLDER / "servers"
ACTORS = FOLDER / "actors"
WORKERS = 2  # of skypy, threads of skynet
SLEEPING: Mapping[str, object] = {"node.spin": 0}


@dataclasses.dataclass(frozen=True)
class Server:
    name: str
    command: Callable[[str, int], Command]  # mode and port
    missing: Callable[[], str | None] = rivals.nothing_missing
    heavy: bool = False
    warmup_seconds: float = 0.0  # beyond the warm-up of the others


def skypy_command(
    start: str, port: int = 0, workers: int = WORKERS, more: Mapping[str, object] | None = None
) -> Command:
    settings = {"start": start, "workers": workers, "env.host": HOST, "env.port": port, **(more or {})}
    options = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    return Command([sys.executable, "-m", "skypy", "run", str(SERVERS / "skypy" / "node.toml"), *options])


def compiled(command: Command) -> Command:
    """Return a command as run by the skypy of `make compiled` and not by the sources in the current folder."""
    return Command([str(rivals.COMPILED / "bin" / "python"), *command.arguments[1:]], {"PYTHONSAFEPATH": "1"})


def skynet_command(service: str, arguments: str, threads: int = WORKERS) -> Command:
    environment = {
        "BENCH_SERVICE": service,
        "BENCH_ARGUMENTS": arguments,
        "BENCH_THREADS": str(threads),
        "BENCH_SERVICES": str(SERVERS / "skynet"),
        "BENCH_ACTORS": str(ACTORS / "skynet"),
    }
    return Command([f"{rivals.skynet_home()}/skynet", str(SERVERS / "skynet" / "config.lua")], environment)


def python_command(file: str, *options: str) -> Callable[[str, int], Command]:
    def command(mode: str, port: int) -> Command:
        return Command([rivals.python(), str(SERVERS / file), mode, HOST, str(port), *options])

    return command


def c_command(mode: str, port: int) -> Command:
    return Command([str(build(SERVERS / "c_server.c")), mode, HOST, str(port)])


uvloop_protocol = python_command("asyncio_protocol.py", "uvloop")


def uvloop_joined(mode: str, port: int) -> Command:
    return uvloop_protocol("joined" if mode == "echo" else mode, port)


def netty_command(mode: str, port: int) -> Command:
    jars = ":".join(map(str, rivals.netty_jars()))
    program = build_java(SERVERS / "netty" / "NettyServer.java", jars)
    return Command(["java", "-cp", f"{program.parent}:{jars}", program.stem, mode, HOST, str(port)])


def erlang_command(mode: str, port: int) -> Command:
    program = build_erlang(SERVERS / "erlang" / "server.erl")
    options = ["-noshell", "+S", "2:2", "+K", "true", "-pa", str(program.parent)]
    return Command(["erl", *options, "-run", "server", "main", mode, str(port)])


ALL = {
    server.name: server
    for server in (
        Server("skypy", skypy_command),
        Server("skypy compiled", lambda mode, port: compiled(skypy_command(mode, port)), rivals.not_compiled),
        Server("skypy sleeping", lambda mode, port: skypy_command(mode, port, more=SLEEPING)),
        Server("skypy on one worker", lambda mode, port: skypy_command(mode, port, 1, {"env.owners": 1})),
        Server("asyncio streams", python_command("asyncio_streams.py")),
        Server("asyncio Protocol", python_command("asyncio_protocol.py")),
        Server("uvloop streams", python_command("asyncio_streams.py", "uvloop"), partial(rivals.no_package, "uvloop")),
        Server("uvloop Protocol", uvloop_protocol, partial(rivals.no_package, "uvloop")),
        Server("uvloop Protocol joined", uvloop_joined, partial(rivals.no_package, "uvloop")),
        Server("gevent", python_command("gevent_server.py"), partial(rivals.no_package, "gevent")),
        Server("skynet", lambda mode, port: skynet_command("server", f"{mode} {HOST} {port}"), rivals.no_skynet),
        Server("Erlang", erlang_command, rivals.no_erlang),
        Server("Netty", netty_command, rivals.no_netty, heavy=True, warmup_seconds=4.0),
        Server("C", c_command, no_compiler),
    )
}

Load = Callable[[int, int, Timing], Measurement]
"""A function that puts a load on a server, given its port, its process id and the duration."""


def measure(server: Server, mode: str, load: Load, timing: Timing) -> Measurement:
    """Return a measurement on a fresh server: none inherits the memory or the backlog of the one before."""
    port = free_port()
    with running(server.command(mode, port)) as (process, _):
        wait_until_accepting(process, port)
        timing = dataclasses.replace(timing, warmup_seconds=timing.warmup_seconds + server.warmup_seconds)
        measurement = load(port, process.pid, timing)
        check_alive(process)
        return measurement


def contenders(mode: str, load: Load, names: str) -> tuple[Contender, ...]:
    """Return the named servers (separated by commas), each under the load."""
    chosen = [ALL[name.strip()] for name in names.split(",")]
    return tuple(
        Contender(server.name, partial(measure, server, mode, load), partial(cannot, server), server.heavy)
        for server in chosen
    )


def cannot(server: Server) -> str | None:
    return no_compiler() or server.missing()
