"""Names of actors and entries of `[env]`: this worker asks the node for them and remembers the answers."""

from __future__ import annotations

from collections.abc import Mapping

from skypy.core.address import Address, check_address, parse_address
from skypy.core.errors import ActorDead
from skypy.core.names import check_name
from skypy.core.wire.control_lane import GET_ENV, QUERY, REGISTER, SET_ENV
from skypy.worker.node_link import NodeLink


class Directory:
    """The names and entries that this worker knows, and the way to the others."""

    def __init__(self, node_link: NodeLink, env: Mapping[str, str]) -> None:
        """`env` are the entries of the config, which never change."""
        self._node_link = node_link
        self._env = dict(env)
        self._addresses: dict[str, Address] = {}

    def resolve(self, target: Address | str) -> Address:
        """Return the address behind `.name` or `:0100000a`, or the address itself.

        Raises ActorDead when no actor has the name, ValueError and TypeError for anything else.
        """
        if isinstance(target, int):
            return check_address(target)
        if not isinstance(target, str):
            raise TypeError(f"an address is an int or a str, not {type(target).__name__}")
        if not target.startswith("."):
            return check_address(parse_address(target))
        address = self.find(target)
        if address is None:
            raise ActorDead(0, f'no actor has the name "{target}"')
        return address

    def find(self, name: str) -> Address | None:
        """Return the address of the actor with this name, or None. Raises ValueError and TypeError for a bad name."""
        check_name(name)
        if name not in self._addresses:
            address: Address | None = self._node_link.ask_now(QUERY, name)
            return address
        return self._addresses[name]

    def register(self, name: str, address: Address) -> None:
        """Give an actor a name. Raises NameTaken, ValueError and TypeError for a bad name."""
        check_name(name)
        self._node_link.ask_now(REGISTER, name, address)
        self.named(name, address)

    def named(self, name: str, address: Address | None) -> None:
        """Remember the actor that has a name now, or (None) that the name is free."""
        if address is None:
            self._addresses.pop(name, None)
        else:
            self._addresses[name] = address

    def get_env(self, key: str) -> str | None:
        """Return an entry of the config, or one that any service of the node has added since; None if there is none."""
        if key in self._env:
            return self._env[key]
        value: str | None = self._node_link.ask_now(GET_ENV, key)
        if value is not None:
            self._env[key] = value  # it never changes
        return value

    def set_env(self, key: str, value: str) -> bool:
        """Add an entry; return False if there is one with this key already."""
        is_new: bool = self._node_link.ask_now(SET_ENV, key, value)
        return is_new
