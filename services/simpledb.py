"""A store of values by key, for other actors: get, set, incr, delete and keys are its commands."""

import skypy

data: dict[str, object] = {}


@skypy.command
def get(key: str) -> object:
    """Return the value of a key, None if it has none."""
    return data.get(key)


@skypy.command("set")
def put(key: str, value: object) -> object:
    """Give a key a value, and return its former one, None if it had none."""
    before = data.get(key)
    data[key] = value
    return before


@skypy.command
def incr(key: str, by: int = 1) -> int:
    """Add to the number of a key, which begins at 0, and return the sum.

    Raises TypeError, which the caller gets as RemoteError, if the value is not a number.
    """
    value = data.get(key, 0)
    if not isinstance(value, int):
        raise TypeError(f'the value of "{key}" is not a number')
    data[key] = value + by
    return value + by


@skypy.command
def delete(key: str) -> bool:
    """Remove a key; return True if it had a value."""
    return data.pop(key, None) is not None


@skypy.command
def keys() -> list[str]:
    """Return all keys, in the order in which they were first set."""
    return list(data)
