"""The names of the actors of a node, and its unique services with the questions that wait for them."""

from __future__ import annotations

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
    """The address of each `.name` and of each unique service; W: a question that waits for a unique service.

    A unique service is known by its name too, which has no dot. So the end of an actor frees all its names alike.
    """

    def __init__(self) -> None:
        self._addresses: dict[str, Address] = {}
        self._names: dict[Address, set[str]] = {}
        """The names of each actor that has some: an end must not look at the names of all others."""
        self._starting: set[str] = set()
        self._waiting: dict[str, list[W]] = {}

    @property
    def addresses(self) -> dict[str, Address]:
        """Every name, with its address."""
        return self._addresses.copy()

    def register(self, name: str, address: Address) -> None:
        """Give a name to an actor. Raises NameTaken if another actor has it."""
        known = self._addresses.setdefault(name, address)
        if known != address:
            raise NameTaken(f'the name "{name}" belongs to :{known:08x}')
        self._names.setdefault(address, set()).add(name)

    def find(self, name: str) -> Address | None:
        """Return the address that has a name, or the address of a unique service once it has started."""
        return self._addresses.get(name)

    # -- unique services --

    def begin_unique(self, name: str) -> bool:
        """Return True if the caller is the first to ask for this unique service, and so has to start it."""
        if name in self._starting or name in self._addresses:
            return False
        self._starting.add(name)
        return True

    def wait_for_unique(self, name: str, question: W) -> None:
        """Keep a question until `unique_started` or `unique_failed` returns it."""
        self._waiting.setdefault(name, []).append(question)

    def unique_started(self, name: str, address: Address) -> list[W]:
        """Note the address of a unique service; return the questions that have waited for it."""
        self._starting.discard(name)
        self.register(name, address)
        return self._waiting.pop(name, [])

    def unique_failed(self, name: str) -> list[W]:
        """Return the questions that have waited for a unique service; the next question starts it again."""
        self._starting.discard(name)
        return self._waiting.pop(name, [])

    # -- ends --

    def free(self, address: Address) -> list[str]:
        """Free the names of an actor that has ended, and return them."""
        names = sorted(self._names.pop(address, ()))
        for name in names:
            del self._addresses[name]
        return names

    def free_process(self, process_number: int) -> list[str]:
        """Free the names of a worker that has died, and return them."""
        ended = [address for address in self._names if process_number_of(address) == process_number]
        return [name for address in ended for name in self.free(address)]

    def withdraw(self, name: str, address: Address) -> bool:
        """Take one name from an actor; return False if the actor has not got it."""
        if self._addresses.get(name) != address:
            return False
        del self._addresses[name]
        names = self._names[address]
        names.discard(name)
        if not names:
            del self._names[address]
        return True
