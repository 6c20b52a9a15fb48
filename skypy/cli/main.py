"""The command line. Each command imports what it needs when it runs, so that `skypy --help` is quick."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable
from typing import Any, Literal

import click

from skypy.cli.failure import ending_at_interrupt
from skypy.version import __version__

# The line "\b" keeps click from joining the lines of the paragraph that follows.

_SKYPY = """\b
Example:
  skypy check config/echo.toml
  skypy run config/echo.toml
  skypy client 127.0.0.1:8888
  skypy bench 127.0.0.1:8888
"""

_RUN = """\b
Example:
  skypy run config/echo.toml --set workers=4 --set env.port=9000

\b
Exit codes:
  0  stopped as asked
  1  failed while running
  2  bad usage or config
  3  the start service failed
"""

_CHECK = """\b
Example:
  skypy check config/echo.toml --set env.port=9000

\b
Exit codes:
  0  `skypy run` would start
  2  bad usage or config, or the start service has a syntax error
"""

_CLIENT = """\b
Commands among the lines:
  quit    is sent like any other; the echo server then closes
  shut_r  shut the reading side, which ends the client
  shut_w  send the lines shut_w1 to shut_w4, shut the writing side, go on reading

\b
Example:
  skypy client 127.0.0.1:8888
  echo hello | skypy client '[::1]:8888'

\b
Exit codes:
  0    the server has finished
  1    no connection, or it broke
  2    bad usage
  130  Ctrl-C
"""

_BENCH = """\b
Example:
  skypy bench 127.0.0.1:8888
  skypy bench 127.0.0.1:8888 --connections 500 --in-flight 1 --seconds 10

\b
Exit codes:
  0    measured
  1    no connection, it broke, or a line came back changed
  2    bad usage
  130  Ctrl-C
"""


def _print_version(context: click.Context, _: click.Parameter, asked: bool) -> None:
    if not asked:
        return
    from importlib.metadata import version

    python = platform.python_version()
    click.echo(f"skypy {__version__}, Python {python}, msgpack {version('msgpack')}, {platform.platform()}")
    context.exit()


@click.group(epilog=_SKYPY, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the versions of skypy, Python, msgpack and the platform.",
)
def main() -> None:
    """skypy: an actor runtime in the style of skynet."""


def _takes_config(command: Callable[..., None]) -> Callable[..., Any]:
    """Add the argument and the option that `run` and `check` share."""
    set_option = click.option(
        "--set",
        "overrides",
        metavar="KEY=VALUE",
        multiple=True,
        help="Override a key of the config, such as workers=4 or env.port=9000. May be given several times.",
    )
    return click.argument("config", metavar="CONFIG")(set_option(command))


@main.command(epilog=_RUN, short_help="Run a node until SIGINT or SIGTERM.")
@_takes_config
def run(config: str, overrides: tuple[str, ...]) -> None:
    """Run the node that the file CONFIG describes, until SIGINT or SIGTERM."""
    from skypy.cli.check import load_config

    settings, _ = load_config(config, overrides)

    from skypy.node.node import run as run_node  # heavier than the config, which may be wrong

    sys.exit(run_node(settings))


@main.command(epilog=_CHECK, short_help="Check a config and its start service; start nothing.")
@_takes_config
def check(config: str, overrides: tuple[str, ...]) -> None:
    """Check the file CONFIG and the service that it starts, show what would run, and start nothing."""
    from skypy.cli.check import compile_start, load_config, summary

    settings, service_file = load_config(config, overrides)
    compile_start(service_file)
    click.echo(summary(settings, service_file))


@main.command(epilog=_CLIENT, short_help="Talk to a server by hand, line by line.")
@click.argument("address", metavar="HOST:PORT")
def client(address: str) -> None:
    """Talk to the server at HOST:PORT: the lines that you type are sent, and the answers are printed.

    At the end of the input (Ctrl-D) the writing side is shut and the rest of the answer is still printed, so nothing
    is lost in a pipe. Ctrl-C ends at once.
    """
    with ending_at_interrupt():
        from skypy.cli.client import talk

        talk(address)


@main.command(epilog=_BENCH, short_help="Measure an echo server: lines per second and latency.")
@click.argument("address", metavar="HOST:PORT")
@click.option("--connections", type=click.IntRange(1, 60000), default=50, show_default=True)
@click.option("--in-flight", type=click.IntRange(1, 4096), default=16, show_default=True, help="Lines on each of them.")
@click.option(
    "--line-bytes", type=click.IntRange(2, 65536), default=32, show_default=True, help="With the newline at its end."
)
@click.option("--seconds", type=click.FloatRange(0.05, 3600), default=5.0, show_default=True)
@click.option("--warmup", type=click.FloatRange(0, 600), default=0.5, show_default=True, help="Seconds of load before.")
@click.option(
    "--generator",
    type=click.Choice(["auto", "c", "python"]),
    default="auto",
    show_default=True,
    help="The program that makes the load: C where there is a compiler.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def bench(
    address: str,
    connections: int,
    in_flight: int,
    line_bytes: int,
    seconds: float,
    warmup: float,
    generator: Literal["auto", "c", "python"],
    as_json: bool,
) -> None:
    """Send lines to the echo server at HOST:PORT, and measure lines per second and latency.

    Every connection keeps a fixed number of lines outstanding. Every byte of the echo is compared.
    """
    with ending_at_interrupt():
        from skypy.cli.bench import Load
        from skypy.cli.bench import bench as measure

        measure(address, Load(connections, in_flight, line_bytes, seconds, warmup), generator, as_json)
