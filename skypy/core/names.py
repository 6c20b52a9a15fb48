"""The names of the actors of a node, and its unique services with the questions that wait for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from skypy.core.address import Address, process_number_of
from skypy.core.errors import NameTaken

W = TypeVar("W")


def check_name(name: str) -> None:
    """Raise ValueError if `name` cannot be the name of an actor, TypeError if it is not a str."""
    if not isinstance(name, str):
        raise TypeError(f"a name is a str, not {type(name).__name__}")
    if not (name.startswith(".") and len(name) > 1 and name.isprintable()):
        raise ValueError(f'{name!r} is not a name: a name begins with a dot and is printable, like ".store"')


class Names(Generic[W]):
    """The address of each `.name` and of each unique service; W: a question that waits for a unique service."""

    def __init__(self) -> None:
        self._addresses: dict[str, Address] = {}
        self._unique: dict[str, Address | None] = {}  # None: it is starting
        self._waiting: dict[str, list[W]] = {}

    def register(self, name: str, address: Address) -> None:
        """Give a name to an actor. Raises NameTaken if another actor has it."""
        known = self._addresses.setdefault(name, address)
        if known != address:
            raise NameTaken(f'the name "{name}" belongs to :{known:08x}')

    def find(self, name: str) -> Address | None:
        """Return the address that has a name."""
        return self._addresses.get(name)

    def begin_unique(self, name: str) -> bool:
        """Return True if the caller is the first to ask for this unique service, and so has to start it."""
        if name in self._unique:
            return False
        self._unique[name] = None
        return True

    def find_unique(self, name: str) -> Address | None:
        """Return the address of a unique service, once it has started."""
        return self._unique.get(name)

    def wait_for_unique(self, name: str, question: W) -> None:
        """Keep a question until `unique_started` or `unique_failed` returns it."""
        self._waiting.setdefault(name, []).append(question)

    def unique_started(self, name: str, address: Address) -> list[W]:
        """Note the address of a unique service; return the questions that have waited for it."""
        self._unique[name] = address
        return self._waiting.pop(name, [])

    def unique_failed(self, name: str) -> list[W]:
        """Return the questions that have waited for a unique service; the next question starts it again."""
        self._unique.pop(name, None)
        return self._waiting.pop(name, [])

    def free(self, address: Address) -> list[str]:
        """Free the names of an actor that has ended, and return them."""
        return self._free(lambda other: other == address)

    def free_process(self, process_number: int) -> list[str]:
        """Free the names of a worker that has died, and return them."""
        return self._free(lambda other: process_number_of(other) == process_number)

    def _free(self, gone: Callable[[Address], bool]) -> list[str]:
        for name in [name for name, address in self._unique.items() if address is not None and gone(address)]:
            del self._unique[name]
        free = [name for name, address in self._addresses.items() if gone(address)]
        for name in free:
            del self._addresses[name]
        return free
