"""A listening socket in its worker: its actor's function for new clients, and how many may be on their way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from skypy.core.socket_address import SocketAddress
from skypy.core.tcp.lease import OWNED, LeaseState
from skypy.core.wire.socket_lane import CLOSE, CREDIT, YIELD, Message
from skypy.worker.actors.actor import Actor

ACCEPT_WINDOW: Final = 1024
"""Clients that may be on their way from the socket service to a listener's actor."""


class ListenerSocket:
    """A listening socket. It takes clients within a credit, as a connection takes bytes."""

    __slots__ = ("_limit", "_send", "_window", "accept", "accepted", "descriptor", "id", "local", "owner", "state")

    def __init__(
        self,
        id: int,  # noqa: A002
        descriptor: int | None,
        window: int,
        send: Callable[[Message], None],
        owner: Actor,
        local: SocketAddress,
    ) -> None:
        self.id = id
        self.descriptor = descriptor
        self.owner = owner
        self.local = local
        self.accept: Callable[[int, SocketAddress], Any] | None = None
        """The owner's function for a new client, or None before `start`."""
        self.accepted = 0
        """The number of clients that have come."""
        self.state = OWNED
        self._limit = 0
        self._window = window
        self._send = send

    def start(self, accept: Callable[[int, SocketAddress], Any], owner: Actor) -> None:
        """Begin (or go on) accepting for an actor."""
        self.accept = accept
        self.owner = owner
        self.want()

    def want(self) -> None:
        """Grant more clients when half of the last grant is used up."""
        if self.accepted + ACCEPT_WINDOW - self._limit >= ACCEPT_WINDOW // 2:
            self._limit = self.accepted + ACCEPT_WINDOW
            self._send((CREDIT, self.id, self._limit, self.owner.address, self._window))

    def take_over(self, accepted: int) -> None:
        """SOCKET_LISTENER_HANDED_OVER: go on behind the clients that came to the former worker."""
        self.accepted = self._limit = accepted

    def recalled(self) -> None:
        """SOCKET_RECALL: yield to another worker. Clients that came before stay here."""
        self.state = LeaseState.YIELDED
        self._send((YIELD, self.id))

    def close(self) -> None:
        """Stop listening at once."""
        if self.state is OWNED:
            self.state = LeaseState.CLOSING
            self._send((CLOSE, self.id))

    def forgotten(self) -> int | None:
        """SOCKET_FORGET: return the descriptor, which is to be closed now."""
        descriptor, self.descriptor = self.descriptor, None
        return descriptor
