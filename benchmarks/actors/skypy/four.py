"""A service of four functions."""

import skypy

items: dict[str, object] = {}


@skypy.command
def get(key: str) -> object:
    return items.get(key)


@skypy.command
def put(key: str, value: object) -> None:
    items[key] = value


@skypy.command
def delete(key: str) -> None:
    items.pop(key, None)


@skypy.command
def keys() -> list[str]:
    return list(items)
