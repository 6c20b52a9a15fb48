"""The verbs of actors: what `import skypy` offers to a service."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final, NoReturn, ParamSpec, TypeVar, overload

from skypy.core.address import Address
from skypy.core.errors import ConfigError
from skypy.core.wire.control_lane import SET_ENV, SHUT_DOWN_NODE
from skypy.worker.actors.actor import Actor, current_actor, loading_actor
from skypy.worker.actors.scheduler import function_name
from skypy.worker.tasks.first_step import check_callable, run_function
from skypy.worker.tasks.waiter import Waiter
from skypy.worker.worker import EXITED

P = ParamSpec("P")
T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

log: Final = logging.getLogger("skypy")
"""A logger that puts the address of the current actor in front: `[:0100000a] text`."""

_MISSING: Final = object()


# -- hooks --


def start(function: F) -> F:
    """Declare the function that runs once, with the launch arguments, when the service is started.

    The service has started when it returns. Raises RuntimeError for a second one in the same service. In a module that
    was imported in the ordinary way it does nothing.
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
    """Declare a function that runs when the actor ends: by exit, kill or the node's shutdown.

    Its tasks and sockets are still there; it may take `stop_timeout` seconds. Several run in the order of declaration.
    """
    actor = loading_actor(function)
    if actor is not None:
        actor.stop_functions.append(function)
    return function


# -- tasks and time --


def fork(_function: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs) -> asyncio.Task[Any]:
    """Run a function in a task of its own, once the current handler waits or returns (skynet.fork).

    A plain function works as well. Returns the task, which can be cancelled, and whose sleep `wakeup` can end.
    Raises TypeError for what cannot be called.
    """
    actor = current_actor()
    check_callable(_function)
    return actor.worker.scheduler.fork(actor, run_function(_function, *args, **kwargs), function_name(_function))


class Timeout:
    """A function that will run later; `cancel` keeps it from it."""

    __slots__ = ("_handle",)

    def __init__(self, handle: asyncio.TimerHandle) -> None:
        self._handle = handle

    def cancel(self) -> None:
        """Do not run it. Harmless when it has run, or twice."""
        self._handle.cancel()


def timeout(seconds: float, function: Callable[..., Any], /, *args: Any) -> Timeout:
    """Run a function in a task of its own after `seconds` (skynet.timeout). It is forgotten when the actor ends.

    A time that has passed already is 0 seconds. Raises TypeError for what cannot be called, ValueError for no number.
    """
    actor = current_actor()
    check_callable(function)
    return Timeout(actor.worker.loop.call_later(_checked(seconds), _timeout_passed, actor, function, args))


def _timeout_passed(actor: Actor, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
    if actor.ended is None:
        actor.worker.scheduler.run(actor, function_name(function), function, *args)
        actor.worker.scheduler.end_turn()


async def sleep(seconds: float) -> bool:
    """Wait for `seconds`; True when they have passed, False when `wakeup(task)` came before (skynet.sleep).

    As in asyncio, a time that has passed already is 0 seconds, and infinity waits for `wakeup` or the end.
    """
    actor = current_actor()
    task = asyncio.current_task()
    if task in actor.waiting:
        raise RuntimeError("this task is waiting already")
    waiter: Waiter[bool] = Waiter(actor.worker.loop)
    timer = actor.worker.loop.call_later(_checked(seconds), _sleep_passed, actor, waiter)
    actor.waiting[task] = waiter
    try:
        return await waiter
    finally:
        timer.cancel()
        if actor.waiting.get(task) is waiter:
            del actor.waiting[task]


def _sleep_passed(actor: Actor, waiter: Waiter[bool]) -> None:
    if not waiter.done():
        actor.worker.scheduler.begin_turn()
        actor.worker.scheduler.wake(waiter, value=True)
        actor.worker.scheduler.end_turn()


def _checked(seconds: float) -> float:
    if seconds != seconds:
        raise ValueError(f"{seconds!r} seconds cannot be waited for: it takes a number")
    return max(seconds, 0)


async def wait(token: Any) -> None:
    """Wait until somebody in this actor calls `wakeup(token)` (skynet.wait).

    Raises RuntimeError when another task waits for the same token.
    """
    actor = current_actor()
    if token in actor.waiting:
        raise RuntimeError(f"another task waits for {token!r} already")
    waiter: Waiter[bool] = Waiter(actor.worker.loop)
    actor.waiting[token] = waiter
    try:
        await waiter
    finally:
        if actor.waiting.get(token) is waiter:
            del actor.waiting[token]


def wakeup(token: Any) -> bool:
    """Resume who waits for a token, or the sleep of a task; it goes on once the current handler waits or returns.

    False when nobody waits: the wakeup is lost (skynet.wakeup).
    """
    actor = current_actor()
    waiter = actor.waiting.pop(token, None)
    if waiter is None or waiter.done():
        return False
    actor.worker.scheduler.wake(waiter, value=False)
    return True


# -- who and where --


def self() -> Address:
    """The address of the current actor."""
    return current_actor().address


def exit() -> NoReturn:  # noqa: A001 - the verb of skynet
    """End the current actor: stop functions run, its tasks are cancelled, its sockets closed. Nothing after it runs."""
    actor = current_actor()
    actor.worker.begin_end(actor, EXITED)
    raise asyncio.CancelledError("the actor exits")


def shutdown_node() -> None:
    """End the whole node in order, as SIGTERM does: every actor's stop functions run, what is queued is delivered.

    Returns at once; the current actor ends with the others. `skypy run` ends with exit code 0.
    """
    actor = current_actor()
    actor.worker.node_link.send((SHUT_DOWN_NODE, actor.address))


@overload
def getenv(key: str) -> str: ...
@overload
def getenv(key: str, default: T) -> str | T: ...
def getenv(key: str, default: Any = _MISSING) -> Any:
    """A setting of the `[env]` table.

    Raises ConfigError, which names the config file, for a key that is not there and has no default.
    """
    worker = current_actor().worker
    value = worker.setting(key)
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
    """Add a setting that every service of the node can have with `getenv` from now on (skynet.setenv).

    A setting never changes: raises ValueError for a key that is there already, TypeError for what is no text.
    """
    worker = current_actor().worker
    if not (isinstance(key, str) and isinstance(value, str)):
        raise TypeError(f"a setting is a str with a str for its key, not {key!r}: {value!r}")
    if not worker.node_link.ask_now(SET_ENV, key, value):
        raise ValueError(f'the setting "{key}" is there already: a setting never changes')


def now() -> float:
    """Seconds since the node started; it never goes back, and is the same in all workers (skynet.now)."""
    worker = current_actor().worker
    return worker.loop.time() - worker.node_start.monotonic


def starttime() -> float:
    """When the node started: seconds of Unix time, UTC (skynet.starttime)."""
    return current_actor().worker.node_start.unix
