"""The actor of a probe: `Probe` gives it its handler."""

import skypy

skypy.dispatch(lambda source, command, /, *args, **kwargs: handle(source, command, *args, **kwargs))


def handle(source: int, command: str, /, *args: object, **kwargs: object) -> object:
    """Replaced by the probe."""
    raise LookupError(command)
