"""Names of actors and entries of `[env]`: the node keeps both, and tells each worker every change of names.

So a name is found without a question. The answer is never older than a message that the worker has had: each batch of
another worker carries the number of the last change of which that worker has heard (`Fence`), and a worker that has not
come to this change yet reads its lane to the node before it answers. The node tells all workers of a change before it
answers the one that has asked for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from skypy.core.address import Address, check_address, parse_address, process_number_of
from skypy.core.causal.fence import Fence
from skypy.core.errors import ActorDead, ServiceError
from skypy.core.names import check_name
from skypy.core.wire.control_lane import FREE_NAMES, GET_ENV, REGISTER, SET_ENV, WITHDRAW
from skypy.worker.node_link import NodeLink


class Directory:
    """The names and entries that this worker knows, and the way to the node's."""

    def __init__(self, node_link: NodeLink, env: Mapping[str, str], fence: Fence) -> None:
        """`env` are the entries of the config, which never change."""
        self._node_link = node_link
        self._env = dict(env)
        self._fence = fence
        self._changes = 0
        """The number of the last change of names that has come here."""
        self._addresses: dict[str, Address] = {}
        self._named_here: dict[Address, set[str]] = {}
        """The names of each actor of this worker that has some."""

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
        address = self._current(target)
        if address is None:
            address = self.find(target)
        if address is None:
            raise ActorDead(0, f'no actor has the name "{target}"')
        return address

    def find(self, name: str) -> Address | None:
        """Return the address of the actor with this name, or None. Raises ValueError and TypeError for a bad name."""
        check_name(name)
        self._node_link.look()
        return self._current(name)

    def find_unique(self, service: str) -> Address | None:
        """Return the address of a unique service that has started, or None."""
        return self._current(service)

    def _current(self, name: str) -> Address | None:
        if self._fence.names > self._changes:
            self._catch_up()
        return self._addresses.get(name)

    def _catch_up(self) -> None:
        """Wait for a change of names of which another worker has told; the node has sent it before."""
        with suppress(ServiceError):  # a node that is gone has ended all names: what is known is all there is
            self._node_link.wait_until(lambda: self._changes >= self._fence.names)

    def register(self, name: str, address: Address) -> None:
        """Give an actor of this worker a name.

        Raises NameTaken, ValueError and TypeError for a bad name, ServiceError when the node does not answer in time:
        the actor has not got the name then.
        """
        check_name(name)
        if name in self._named_here.get(address, ()):
            return
        try:
            self._node_link.ask_now(REGISTER, name, address)
        except ServiceError:
            self._node_link.tell(WITHDRAW, name, address)
            raise

    def changed(self, number: int, changes: Mapping[str, Address | None]) -> None:
        """NAMES: note names that actors have now, and those that (None) are free."""
        self._changes = number
        self._fence.names = max(self._fence.names, number)
        for name, address in changes.items():
            self._forget(name)
            if address is not None:
                self._addresses[name] = address
                if process_number_of(address) == self._fence.own:
                    self._named_here.setdefault(address, set()).add(name)

    def actor_ends(self, address: Address) -> None:
        """Free the names of an actor of this worker in the whole node, before anything else knows of its end."""
        if self._fence.names > self._changes:
            self._catch_up()  # it may be a unique service by now
        names = self._named_here.get(address)
        if names is None:
            return
        for name in list(names):
            self._forget(name)
        with suppress(ServiceError):  # the node frees them as soon as it can
            self._node_link.ask_now(FREE_NAMES, address)

    def _forget(self, name: str) -> None:
        former = self._addresses.pop(name, None)
        if former in self._named_here:
            names = self._named_here[former]
            names.discard(name)
            if not names:
                del self._named_here[former]

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
