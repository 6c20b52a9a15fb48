"""What every child of a node does first: its name, its signals, its descriptors, its control lane."""

from __future__ import annotations

import resource
import signal
import socket
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import setproctitle

from skypy.core.settings import NodeStart, Settings
from skypy.core.wire.control_lane import SETTINGS
from skypy.lane.lane import Lane

_LEFT_TO_THE_NODE = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Beginning(NamedTuple):
    """What a child starts with."""

    control: Lane
    process_number: int
    settings: Settings
    node_start: NodeStart
    messages: Sequence[Any]
    """What the node has said besides."""


def be_a_child(title: str) -> Beginning:
    """Set this process up, and wait for the settings.

    A terminal and a service manager signal the whole group, but the node alone orders the end: so the children do not
    react. They have a handler rather than ignoring, because programs that a service starts would inherit that.
    """
    setproctitle.setproctitle(f"skypy: {title}")
    for number in _LEFT_TO_THE_NODE:
        signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _LEFT_TO_THE_NODE)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    control = Lane(socket.socket(fileno=int(sys.argv[1])))
    return begin(control, _first_messages(control))


def begin(control: Lane, messages: Sequence[Any]) -> Beginning:
    """What the node's first messages mean."""
    (kind, process_number, plain, started), *messages = messages
    if kind != SETTINGS:
        raise RuntimeError(f"the node sent {kind} before the settings")
    settings = Settings.from_plain(plain)
    return Beginning(control, process_number, settings, NodeStart(*started), messages)


def _first_messages(control: Lane) -> list[Any]:
    while True:
        control.wait()
        if messages := control.receive():
            return messages
