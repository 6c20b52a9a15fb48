"""Test a service in five lines: see docs/testing.md.

pytest finds the fixtures `system`, `node`, `clock`, `probe` and `connect` by itself; these names are for annotations.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skypy.testing.client import Client, Connect
    from skypy.testing.clock import Clock
    from skypy.testing.memory.loop import Stuck
    from skypy.testing.memory.system import System
    from skypy.testing.probe import Message, Probe, StartProbe
    from skypy.testing.processes.node import Node

__all__ = ["Client", "Clock", "Connect", "Message", "Node", "Probe", "StartProbe", "Stuck", "System"]

_WHERE = {
    "Client": "client",
    "Clock": "clock",
    "Connect": "client",
    "Message": "probe",
    "Node": "processes.node",
    "Probe": "probe",
    "StartProbe": "probe",
    "Stuck": "memory.loop",
    "System": "memory.system",
}


def __getattr__(name: str) -> Any:
    module = _WHERE.get(name)
    if module is None:
        raise AttributeError(f"module 'skypy.testing' has no attribute {name!r}")
    return getattr(importlib.import_module(f"skypy.testing.{module}"), name)
