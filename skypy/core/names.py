"""The names of a node: who has which, and unique services with those who wait for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from skypy.core.address import Address, process_number
from skypy.core.errors import NameTaken

W = TypeVar("W")


def check_name(name: str) -> None:
    """Raises ValueError for what cannot be the name of an actor, TypeError for what is no text."""
    if not isinstance(name, str):
        raise TypeError(f"a name is a str, not {type(name).__name__}")
    if not (name.startswith(".") and len(name) > 1 and name.isprintable()):
        raise ValueError(f'{name!r} is no name: one begins with a dot and is printable, like ".store"')


class Names(Generic[W]):
    """`.name` → address. Names go with their actor."""

    def __init__(self) -> None:
        self._addresses: dict[str, Address] = {}
        self._unique: dict[str, Address | None] = {}  # None: it is starting
        self._waiting: dict[str, list[W]] = {}

    def register(self, name: str, address: Address) -> None:
        """Raises NameTaken when another actor has it."""
        holder = self._addresses.setdefault(name, address)
        if holder != address:
            raise NameTaken(f'the name "{name}" belongs to :{holder:08x}')

    def find(self, name: str) -> Address | None:
        """Who has the name."""
        return self._addresses.get(name)

    def begin_unique(self, name: str) -> bool:
        """Whether the caller is the first to ask for this unique service, and so has to start it."""
        if name in self._unique:
            return False
        self._unique[name] = None
        return True

    def find_unique(self, name: str) -> Address | None:
        """The unique service, once it has started."""
        return self._unique.get(name)

    def wait_for_unique(self, name: str, waits: W) -> None:
        """`waits` is given back by `unique_started` or `unique_failed`."""
        self._waiting.setdefault(name, []).append(waits)

    def unique_started(self, name: str, address: Address) -> list[W]:
        """Who has waited for it."""
        self._unique[name] = address
        return self._waiting.pop(name, [])

    def unique_failed(self, name: str) -> list[W]:
        """Who has waited for it; the next one to ask starts it again."""
        self._unique.pop(name, None)
        return self._waiting.pop(name, [])

    def forget(self, address: Address) -> list[str]:
        """An actor has ended: the names that are free now."""
        return self._drop(lambda holder: holder == address)

    def forget_process(self, number: int) -> list[str]:
        """A worker has died: the names that are free now."""
        return self._drop(lambda holder: process_number(holder) == number)

    def _drop(self, gone: Callable[[Address], bool]) -> list[str]:
        for name in [name for name, holder in self._unique.items() if holder is not None and gone(holder)]:
            del self._unique[name]
        free = [name for name, holder in self._addresses.items() if gone(holder)]
        for name in free:
            del self._addresses[name]
        return free
