"""The start of services in this worker, from a name to an actor whose start function has finished."""

from __future__ import annotations

import asyncio
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
from skypy.worker.tasks.eager import cancellations, outcome_of, start_eagerly

START_SERVICE: Final = "start"
"""The command by which other workers start services here: service name, packed arguments, process number of the worker
that had reserved; the reply is the address. It is sent to the root actor."""


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

    def stop(self) -> None:
        """Refuse every further launch: all actors have ended, and no more would be ended in order."""
        self._find_service = _refuse

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
                raise
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
        result: Any = context.run(function, *arguments)
        if not isinstance(result, Coroutine):
            return
        task = start_eagerly(self._loop, result, name=function_name(function), context=context)
        outcome = outcome_of(task)
        if outcome is None:
            actor.tasks.add(task)
            task.add_done_callback(actor.tasks.discard)
            await asyncio.wait([task])  # awaiting the task itself would let its GeneratorExit close us
            task.result()
        elif outcome[1] is not None:
            raise outcome[1]


def _refuse(name: str, service_path: Sequence[str]) -> NoReturn:
    raise ServiceError(f'service "{name}" cannot be started: the worker has stopped')
