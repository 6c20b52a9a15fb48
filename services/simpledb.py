"""A store that other actors call: get, set, incr, delete, keys."""

import skypy

data: dict[str, object] = {}


@skypy.command
def get(key: str) -> object:
    """The value of a key, None when it has none."""
    return data.get(key)


@skypy.command("set")
def put(key: str, value: object) -> object:
    """Give a key a value; the reply is the one it had."""
    before = data.get(key)
    data[key] = value
    return before


@skypy.command
def incr(key: str, by: int = 1) -> int:
    """Add to the number of a key, which begins at 0."""
    value = data.get(key, 0)
    if not isinstance(value, int):
        raise TypeError(f'the value of "{key}" is no number')
    data[key] = value + by
    return value + by


@skypy.command
def delete(key: str) -> bool:
    """Forget a key; whether it had a value."""
    return data.pop(key, None) is not None


@skypy.command
def keys() -> list[str]:
    """All keys."""
    return list(data)
