"""The actor of a probe, which replaces its handler."""

import skypy

skypy.dispatch(lambda source, command, /, *args, **kwargs: handle(source, command, *args, **kwargs))


def handle(source: int, command: str, /, *args: object, **kwargs: object) -> object:
    """Raise LookupError; the probe replaces this function."""
    raise LookupError(command)
