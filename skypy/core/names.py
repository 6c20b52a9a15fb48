"""The names of a node's actors, and its unique services with the questions that wait for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from skypy.core.address import Address, process_number
from skypy.core.errors import NameTaken

W = TypeVar("W")


def check_name(name: str) -> None:
    """Check a name like ".store". Raises ValueError if no actor can have it, TypeError if it is no text."""
    if not isinstance(name, str):
        raise TypeError(f"a name is a str, not {type(name).__name__}")
    if not (name.startswith(".") and len(name) > 1 and name.isprintable()):
        raise ValueError(f'{name!r} is no name: one begins with a dot and is printable, like ".store"')


class Names(Generic[W]):
    """The addresses of named actors and of unique services. A name becomes free when its actor ends."""

    def __init__(self) -> None:
        self._addresses: dict[str, Address] = {}
        self._unique: dict[str, Address | None] = {}  # None: it is starting
        self._waiting: dict[str, list[W]] = {}

    def register(self, name: str, address: Address) -> None:
        """Give an actor a name. Raises NameTaken when another actor has it."""
        known = self._addresses.setdefault(name, address)
        if known != address:
            raise NameTaken(f'the name "{name}" belongs to :{known:08x}')

    def find(self, name: str) -> Address | None:
        """Return the address of the actor that has the name, or None."""
        return self._addresses.get(name)

    def begin_unique(self, name: str) -> bool:
        """Return True if the caller has to start this unique service, because it is the first to ask for it."""
        if name in self._unique:
            return False
        self._unique[name] = None
        return True

    def find_unique(self, name: str) -> Address | None:
        """Return the address of the unique service, or None before it has started."""
        return self._unique.get(name)

    def wait_for_unique(self, name: str, waits: W) -> None:
        """Keep `waits` until the unique service has started or has failed to."""
        self._waiting.setdefault(name, []).append(waits)

    def unique_started(self, name: str, address: Address) -> list[W]:
        """Note the address of a unique service; return what has waited for it."""
        self._unique[name] = address
        return self._waiting.pop(name, [])

    def unique_failed(self, name: str) -> list[W]:
        """Return what has waited for a unique service that did not start; the next question for it starts it again."""
        self._unique.pop(name, None)
        return self._waiting.pop(name, [])

    def free(self, address: Address) -> list[str]:
        """Free the names of an actor that has ended, and return them."""
        return self._free(lambda known: known == address)

    def free_process(self, number: int) -> list[str]:
        """Free the names of all actors of a worker that has died, and return them."""
        return self._free(lambda known: process_number(known) == number)

    def _free(self, gone: Callable[[Address], bool]) -> list[str]:
        for name in [name for name, known in self._unique.items() if known is not None and gone(known)]:
            del self._unique[name]
        free = [name for name, known in self._addresses.items() if gone(known)]
        for name in free:
            del self._addresses[name]
        return free
