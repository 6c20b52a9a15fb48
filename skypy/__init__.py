"""An actor runtime for Python in the style of skynet: services in several processes, and sockets that half-close right.

Inside a service: `skypy.start`, `stop`, `fork`, `sleep`, `timeout`, `wait`, `wakeup`, `getenv`, `self`, `exit`, `log`,
and the sockets in `skypy.socket`. The errors are below `skypy.SkypyError`.

This module runs in every process of a node before anything else does, so it loads nothing: names come on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from skypy.version import __version__

if TYPE_CHECKING:
    from skypy.core.address import Address
    from skypy.core.errors import (
        ActorDead,
        BufferLimit,
        CallError,
        ConfigError,
        ListenError,
        MailboxFull,
        NameTaken,
        RemoteError,
        ServiceError,
        SkypyError,
        SocketBroken,
        SocketBusy,
        SocketClosed,
        SocketError,
    )
    from skypy.core.wire.values import register_type
    from skypy.worker.verbs.actors import (
        exit,  # noqa: A004 - the verb of skynet
        getenv,
        log,
        now,
        self,
        setenv,
        shutdown_node,
        start,
        starttime,
        stop,
    )
    from skypy.worker.verbs.messages import (
        Response,
        call,
        command,
        dispatch,
        response,
        send,
        source,
    )
    from skypy.worker.verbs.services import (
        address,
        kill,
        newservice,
        query,
        queryservice,
        register,
        uniqueservice,
    )
    from skypy.worker.verbs.tasks import (
        Queue,
        Timeout,
        fork,
        queue,
        sleep,
        timeout,
        wait,
        wakeup,
    )

__all__ = [
    "ActorDead",
    "Address",
    "BufferLimit",
    "CallError",
    "ConfigError",
    "ListenError",
    "MailboxFull",
    "NameTaken",
    "Queue",
    "RemoteError",
    "Response",
    "ServiceError",
    "SkypyError",
    "SocketBroken",
    "SocketBusy",
    "SocketClosed",
    "SocketError",
    "Timeout",
    "__version__",
    "address",
    "call",
    "command",
    "dispatch",
    "exit",
    "fork",
    "getenv",
    "kill",
    "log",
    "newservice",
    "now",
    "query",
    "queryservice",
    "queue",
    "register",
    "register_type",
    "response",
    "self",
    "send",
    "setenv",
    "shutdown_node",
    "sleep",
    "source",
    "start",
    "starttime",
    "stop",
    "timeout",
    "uniqueservice",
    "wait",
    "wakeup",
]

_WHERE = {
    "skypy.core.address": ("Address",),
    "skypy.core.errors": (
        "BufferLimit",
        "RemoteError",
        "NameTaken",
        "MailboxFull",
        "CallError",
        "ActorDead",
        "ConfigError",
        "ListenError",
        "ServiceError",
        "SkypyError",
        "SocketBroken",
        "SocketBusy",
        "SocketClosed",
        "SocketError",
    ),
    "skypy.core.wire.values": ("register_type",),
    "skypy.worker.verbs.actors": (
        "exit",
        "getenv",
        "log",
        "now",
        "self",
        "setenv",
        "shutdown_node",
        "start",
        "starttime",
        "stop",
    ),
    "skypy.worker.verbs.messages": (
        "Response",
        "call",
        "command",
        "dispatch",
        "response",
        "send",
        "source",
    ),
    "skypy.worker.verbs.services": (
        "address",
        "kill",
        "newservice",
        "query",
        "queryservice",
        "register",
        "uniqueservice",
    ),
    "skypy.worker.verbs.tasks": (
        "Queue",
        "Timeout",
        "fork",
        "queue",
        "sleep",
        "timeout",
        "wait",
        "wakeup",
    ),
}
_MODULE_OF = {name: module for module, names in _WHERE.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "socket":  # `import skypy` alone is enough for skypy.socket
        return importlib.import_module("skypy.socket")
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module 'skypy' has no attribute {name!r}")
    value = getattr(importlib.import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
