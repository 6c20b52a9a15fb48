"""The beginning of every child of a node: its title, its signals, its descriptors, its control lane."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

from skypy.core.settings import NodeStart, Settings
from skypy.core.wire.control_lane import SETTINGS
from skypy.lane.lane import Lane
from skypy.system.kernel import LINUX
from skypy.system.this_process import hide_from_programs, leave_signals_to_the_node, set_title


class Beginning(NamedTuple):
    """The things that a child starts with."""

    control: Lane
    process_number: int
    settings: Settings
    node_start: NodeStart
    messages: Sequence[Any]
    """The messages of the node that came behind the settings."""


def be_a_child(title: str) -> Beginning:
    """Set this process up as a child of the node, and wait for the settings."""
    set_title(title)
    leave_signals_to_the_node()
    LINUX.raise_descriptor_limit()
    descriptor = int(sys.argv[1])
    hide_from_programs(descriptor)
    control = Lane(LINUX.socket_of(descriptor))
    return begin(control, _first_messages(control))


def begin(control: Lane, messages: Sequence[Any]) -> Beginning:
    """Read the node's first messages. Raises RuntimeError if the settings are not the first of them."""
    (kind, process_number, plain, started), *messages = messages
    if kind != SETTINGS:
        raise RuntimeError(f"the node sent message {kind} before the settings")
    settings = Settings.from_plain(plain)
    return Beginning(control, process_number, settings, NodeStart(*started), messages)


def _first_messages(control: Lane) -> list[Any]:
    while True:
        control.wait()
        if messages := control.receive():
            return messages
