"""The way to an address, which lives in this worker, in another one, or nowhere. This is decided here alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from skypy.core.address import Address, check_address, process_number_of
from skypy.core.wire.socket_lane import Message
from skypy.worker.actors.actor import Actor


class Routes:
    """The ways to actors."""

    def __init__(
        self,
        own_process: int,
        actors: Mapping[Address, Actor],
        root: Actor,
        send_to_process: Callable[[int, tuple[Any, ...], int], bool],
    ) -> None:
        """Know the `actors` of this worker, and reach the others by `send_to_process(number, message, size)`.

        `root` is reached only from other workers.
        """
        self._own_process = own_process
        self._root = root
        self._send_to_process = send_to_process
        self.here = actors.get
        """`here(address)` is the actor if it lives in this worker, else None: `dict.get`, because each message asks."""

    def receiver(self, target: Address) -> Actor | None:
        """Return the actor of this worker that a message of another worker is for, or None."""
        return self._root if target == self._root.address else self.here(target)

    def send(self, target: Address, message: Message, size: int) -> bool:
        """Send a message to an address that does not live here; return False if it is known to be dead.

        Raises ValueError when no address has this number, MailboxFull when too much is under way there.
        """
        number = process_number_of(check_address(target))
        if number == self._own_process:
            return False
        return self._send_to_process(number, message, size)
