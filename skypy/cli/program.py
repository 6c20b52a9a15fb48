"""The program `skypy`: the command line, and the meaning of Ctrl-C before there is one."""

from __future__ import annotations

# The part of `signal` that every interpreter has in memory: to load the rest takes longer than all that comes before.
import _signal as signal  # type: ignore[import-not-found]


def main() -> None:
    """Run the command line. An interrupt while it is being loaded ends the program without a word."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a shell may have it ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from skypy.cli.main import main as command

    command(prog_name="skypy")
