"""The failures of commands: one line on standard error and an exit code."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import click

INTERRUPTED = 130
"""The exit code that a shell reports for a program which Ctrl-C has ended."""


class Failure(click.ClickException):
    """An end with `skypy: message` and exit code 1: the command failed while it ran."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the line without click's usage text: the command itself was understood."""
        click.echo(f"skypy: {self.message}", file=file, err=True)


class BadInput(Failure):
    """An end with `skypy: message` and exit code 2: the config or an argument is wrong."""

    exit_code = 2


@contextmanager
def ending_at_interrupt() -> Iterator[None]:
    """Let Ctrl-C end the code inside by KeyboardInterrupt, and the program with INTERRUPTED."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
