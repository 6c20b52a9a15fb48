"""ZeroMQ in memory, as far as `skypy.bus.endpoint` uses it: frames from many to one, in the order of each sender.

Which sender's frame comes next is up to the seed.
"""

from __future__ import annotations

import random
from collections import deque
from typing import Any

import zmq

from skypy.poller import READABLE
from skypy.testing.descriptors import Description, close, install


class _Inbox(Description):
    """What has arrived at a path, by sender."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: dict[object, deque[bytes]] = {}

    def events(self) -> int:
        return READABLE if self.frames else 0


class Hub:
    """The paths of one system."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._inboxes: dict[str, _Inbox] = {}

    def inbox(self, path: str) -> _Inbox:
        """What waits at a path; it may wait before anybody has bound it."""
        return self._inboxes.setdefault(path, _Inbox())

    def take(self, inbox: _Inbox) -> bytes:
        """The next frame. Raises zmq.Again."""
        if not inbox.frames:
            raise zmq.Again
        sender = self._chance.choice(list(inbox.frames))
        frame = inbox.frames[sender].popleft()
        if not inbox.frames[sender]:
            del inbox.frames[sender]
        return frame

    # -- what stands for a context --

    def socket(self, kind: int) -> Any:
        """A PUSH or PULL socket."""
        return _Pull(self) if kind == zmq.PULL else _Push(self)

    def term(self) -> None:
        """Nothing is left to end."""


class _Socket:
    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.closed = False

    def setsockopt(self, option: int, value: int) -> None:
        """There are no limits here; the endpoint has its own."""


class _Pull(_Socket):
    inbox: _Inbox
    number: int

    def bind(self, path: str) -> None:
        self.inbox = self.hub.inbox(path)
        self.number = install(self.inbox)

    def getsockopt(self, option: int) -> int:
        if option == zmq.FD:
            return self.number
        return int(zmq.POLLIN) if self.inbox.frames else 0

    def recv(self, flags: int) -> bytes:
        del flags
        return self.hub.take(self.inbox)

    def close(self, linger: int) -> None:
        del linger
        if not self.closed:
            self.closed = True
            close(self.number)


class _Push(_Socket):
    inbox: _Inbox

    def connect(self, path: str) -> None:
        self.inbox = self.hub.inbox(path)

    def send(self, frame: bytes, flags: int) -> None:
        del flags
        self.inbox.frames.setdefault(self, deque()).append(frame)
        self.inbox.changed()

    def close(self, linger: int) -> None:
        """What was sent arrives; with linger 0 the receiver is dead."""
        del linger
        self.closed = True
