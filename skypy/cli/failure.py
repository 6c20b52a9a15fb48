"""How a command says that it has failed: one line on standard error and an exit code."""

from __future__ import annotations

from typing import IO, Any

import click

INTERRUPTED = 130
"""What a shell reports for a program that Ctrl-C has ended."""


class Failure(click.ClickException):
    """Ends the command with `skypy: message` and exit code 1: it failed while running."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the line, without click's usage text: what was typed was understood."""
        click.echo(f"skypy: {self.message}", file=file, err=True)


class BadInput(Failure):
    """The same with exit code 2: the config or an argument is wrong."""

    exit_code = 2
