"""The start of services in this worker, from a name to an actor whose start function has finished."""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import logging
from collections.abc import Callable, Coroutine, Sequence
from types import CodeType, ModuleType
from typing import Any, Final, NoReturn

from skypy.core.address import LAST_INDEX, Address, make_address
from skypy.core.errors import ExitedWhileStarting, NoAddressLeft, ServiceError, StartFailed
from skypy.core.wire.control_lane import ACTOR_BORN, RESERVATION_UNUSED, USED_UP
from skypy.core.wire.values import unpack_arguments
from skypy.worker.actors.actor import Actor, Life
from skypy.worker.actors.ending import FAILED_TO_START, Endings
from skypy.worker.actors.scheduler import function_name
from skypy.worker.actors.tracebacks import describe
from skypy.worker.node_link import NodeLink
from skypy.worker.services.loader import create_module, find_service
from skypy.worker.services.slow_start import SLOW_START_SECONDS, slow_start_line
from skypy.worker.tasks.current_task import current_task
from skypy.worker.tasks.eager import cancellations, outcome_of, start_eagerly

_log: Final = logging.getLogger("skypy")

START_SERVICE: Final = "start"
"""The command by which other workers start services here: service name, packed arguments, process number of the worker
that has reserved, number of this start among those of that worker; the reply is the address. It is sent to the root
actor."""
GIVE_UP_START: Final = "give up start"
"""The command by which another worker gives up a start: its process number, and the number of the start."""


class Launching:
    """The start of services in this worker."""

    def __init__(
        self,
        process_number: int,
        service_path: Sequence[str],
        loop: asyncio.AbstractEventLoop,
        node_link: NodeLink,
        endings: Endings,
        new_actor: Callable[[Address, ModuleType], Actor],
    ) -> None:
        """`new_actor(address, module)` makes an actor that is known from then on."""
        self._process_number = process_number
        self._service_path = service_path
        self._loop = loop
        self._node_link = node_link
        self._endings = endings
        self._new_actor = new_actor
        self._last_index = 0
        self._find_service = find_service
        self._for_others: dict[tuple[int, int], asyncio.Task[Any]] = {}
        """The tasks that start services for other workers, by the two numbers of `GIVE_UP_START`."""
        self.numbers = itertools.count(1)
        """Numbers for the starts in other workers."""
        self.waits: dict[Address, list[str]] = {}
        """The actors whose start functions run, each with the services that it waits for, in words."""

    def stop(self) -> None:
        """Refuse every further launch: all actors have ended, and no more would be ended in order."""
        self._find_service = _refuse

    async def launch_for(self, name: str, packed_arguments: bytes, reserved_by: int, number: int) -> Address:
        """Start a service for another worker, which may give it up: see `launch`."""
        task = current_task(self._loop)
        assert task is not None
        self._for_others[reserved_by, number] = task
        try:
            return await self.launch(name, packed_arguments, reserved_by)
        finally:
            del self._for_others[reserved_by, number]

    def give_up(self, reserved_by: int, number: int) -> None:
        """Let a service end that starts for another worker."""
        task = self._for_others.get((reserved_by, number))
        if task is not None:
            task.cancel()

    async def launch(self, name: str, packed_arguments: bytes, reserved_by: int = 0) -> Address:
        """Start a service, and return its address once its start function has finished.

        `reserved_by` is the process number of the worker that had a reservation here; 0: there was none.
        Raises ServiceError when there is no such service, StartFailed when it cannot be loaded or its code raised,
        ExitedWhileStarting, NoAddressLeft.
        """
        try:
            actor, code = self._load(name)
        except ServiceError:
            self._node_link.send_later((RESERVATION_UNUSED, reserved_by))
            raise
        self._node_link.send_later((ACTOR_BORN, actor.address, reserved_by))
        before = cancellations(self._loop)
        try:
            actor.context.copy().run(exec, code, actor.module.__dict__)
            actor.end_if_forked()
            actor.life = Life.RUNNING
            await self._run_start(actor, packed_arguments)
            actor.end_if_forked()
        except BaseException as error:
            actor.end_if_forked(error)
            # A CancelledError may be the end of the service's own task, because it exits or is killed, or the end of
            # this one, because the launch is no longer wanted. Only the second leaves a mark on the current task.
            cancelled = isinstance(error, asyncio.CancelledError)
            if cancelled and actor.ended is not None and cancellations(self._loop) == before:
                raise ExitedWhileStarting(name) from error
            await self._endings.end(actor, FAILED_TO_START)
            if cancelled and cancellations(self._loop) > before:
                raise error  # compiled, a bare `raise` behind an `await` frees an exception that is still in use
            text = describe(error, actor.start_function)
            raise StartFailed(f'service "{name}" failed to start:\n{text}', error) from error
        if actor.ended is not None:
            raise ExitedWhileStarting(name)
        return actor.address

    def _load(self, name: str) -> tuple[Actor, CodeType]:
        """Return a new actor, and the code that is to run in its module. Raises ServiceError, whatever goes wrong."""
        try:
            file, status = self._find_service(name, self._service_path)
            address = self._next_address()
            module, code = create_module(file, status, f"{name}@{address:08x}")
            return self._new_actor(address, module), code
        except ServiceError:
            raise
        except BaseException as error:  # of the file, the compiler, or for want of memory
            raise StartFailed(f'service "{name}" cannot be loaded:\n{describe(error)}', error) from error

    def _next_address(self) -> Address:
        """Return the address of a new actor. The node hears of the last one: it lets another process take over."""
        if self._last_index >= LAST_INDEX - 1:
            self._node_link.send_later((USED_UP,))
        if self._last_index == LAST_INDEX:
            raise NoAddressLeft(f"this worker has given out all its {LAST_INDEX} addresses")
        self._last_index += 1
        return make_address(self._process_number, self._last_index)

    async def _run_start(self, actor: Actor, packed_arguments: bytes) -> None:
        arguments, _ = unpack_arguments(packed_arguments)  # not before the module has registered its types
        function = actor.start_function
        if function is None:
            return
        context = actor.context.copy()
        self.waits[actor.address] = []
        try:
            result: Any = context.run(function, *arguments)
            if isinstance(result, Coroutine):
                await self._run_start_coroutine(actor, function_name(function), result, context)
        finally:
            del self.waits[actor.address]

    async def _run_start_coroutine(
        self, actor: Actor, name: str, coroutine: Coroutine[Any, Any, Any], context: contextvars.Context
    ) -> None:
        task = start_eagerly(self._loop, coroutine, name=name, context=context)
        outcome = outcome_of(task)
        if outcome is None:
            actor.tasks.add(task)
            task.add_done_callback(actor.tasks.discard)
            slow = self._loop.call_later(SLOW_START_SECONDS, self._say_slow, actor, coroutine)
            try:
                await asyncio.wait([task])  # awaiting the task itself would let its GeneratorExit close us
            finally:
                slow.cancel()
            task.result()
        elif outcome[1] is not None:
            raise outcome[1]

    def _say_slow(self, actor: Actor, coroutine: Coroutine[Any, Any, Any]) -> None:
        module = actor.module
        line = slow_start_line(module.__name__, module.__file__, coroutine, self.waits[actor.address])
        _log.warning("%s", line, extra={"address": actor.address})


def _refuse(name: str, service_path: Sequence[str]) -> NoReturn:
    raise ServiceError(f'service "{name}" cannot be started: the worker has stopped')
