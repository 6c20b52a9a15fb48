"""The verbs of an actor about itself and its node: hooks, its end, `[env]`, time, and the log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final, NoReturn, TypeVar, overload

from skypy.core.address import Address
from skypy.core.errors import ConfigError
from skypy.core.wire.control_lane import SHUT_DOWN_NODE
from skypy.worker.actors.actor import loading_actor
from skypy.worker.actors.ending import EXITED
from skypy.worker.actors.scheduler import function_name
from skypy.worker.worker import current_actor

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

log: Final = logging.getLogger("skypy")
"""A logger that puts the address of the current actor in front: `[:0100000a] text`."""

_MISSING: Final = object()


# -- hooks --


def start(function: F) -> F:
    """Declare the function that runs once, with the launch arguments, when the service is started.

    The service has started when the function returns. In a module that was imported in the ordinary way this does
    nothing. Raises RuntimeError for a second one in the same service.
    """
    actor = loading_actor(function)
    if actor is not None:
        if actor.start_function is not None:
            raise RuntimeError(
                f"{function_name(function)} is a second start function, "
                f"{function_name(actor.start_function)} is the first: a service has one"
            )
        actor.start_function = function
    return function


def stop(function: F) -> F:
    """Declare a function that runs when the actor ends: by exit, by kill, or because the node stops.

    The actor's tasks and sockets are still there. The function may take `stop_timeout` seconds. Several functions run
    in the order of declaration.
    """
    actor = loading_actor(function)
    if actor is not None:
        actor.stop_functions.append(function)
    return function


# -- the actor and its node --


def self() -> Address:
    """Return the address of the current actor."""
    return current_actor().address


def exit() -> NoReturn:  # noqa: A001 - the verb of skynet
    """End the current actor: its stop functions run, its tasks are cancelled, its sockets are closed.

    Raises `asyncio.CancelledError`, so that nothing after the call runs.
    """
    actor = current_actor()
    actor.worker.endings.begin(actor, EXITED)
    raise asyncio.CancelledError("the actor exits")


def shutdown_node() -> None:
    """End the whole node in order, as SIGTERM does: every actor's stop functions run, queued output is delivered.

    Returns at once; the current actor ends with the others. `skypy run` ends with exit code 0.
    """
    actor = current_actor()
    actor.worker.node_link.send((SHUT_DOWN_NODE, actor.address))


@overload
def getenv(key: str) -> str: ...
@overload
def getenv(key: str, default: T) -> str | T: ...
def getenv(key: str, default: Any = _MISSING) -> Any:
    """Return an entry of the config's `[env]` table, or one that `setenv` has added.

    Raises ConfigError, which names the config file, for a key that is not there and has no default.
    """
    worker = current_actor().worker
    value = worker.directory.get_env(key)
    if value is not None:
        return value
    if default is _MISSING:
        raise ConfigError(
            worker.settings.config_file,
            f"env.{key}",
            f"a service needs it; add it under [env], or run with --set env.{key}=...",
        )
    return default


def setenv(key: str, value: str) -> None:
    """Add an entry that every service of the node gets from `getenv` from now on (skynet.setenv).

    An entry never changes. Raises ValueError for a key that is there already, TypeError if either is not a str.
    """
    directory = current_actor().worker.directory
    if not (isinstance(key, str) and isinstance(value, str)):
        raise TypeError(f"an entry of [env] is a str with a str for its key, not {key!r}: {value!r}")
    if not directory.set_env(key, value):
        raise ValueError(f'"{key}" is in [env] already: an entry never changes')


def now() -> float:
    """Return the seconds since the node started, which are the same in all workers and never go back (skynet.now)."""
    worker = current_actor().worker
    return worker.loop.time() - worker.node_start.monotonic


def starttime() -> float:
    """Return the time when the node started, in seconds of Unix time, UTC (skynet.starttime)."""
    return current_actor().worker.node_start.unix
