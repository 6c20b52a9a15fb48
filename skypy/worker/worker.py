"""One worker: its actors from the first line of their module to the last of their tasks."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import sys
import threading
from collections.abc import Callable, Coroutine, Sequence
from types import CodeType
from typing import Any, Final

from skypy.core.address import LAST_INDEX, Address, check_address, format_address, make_address, parse_address
from skypy.core.errors import ActorDead, ListenError, ServiceError
from skypy.core.names import check_name
from skypy.core.settings import NodeStart, Settings
from skypy.core.wire.control_lane import ACTOR_BORN, ACTOR_ENDED, FREE_NAMES, GET_ENV, QUERY, RESERVATION_UNUSED
from skypy.core.wire.values import unpack_arguments
from skypy.lane.lane import Lane
from skypy.system.kernel import LINUX, Kernel
from skypy.worker.actors.actor import Actor, Life, describe
from skypy.worker.actors.scheduler import Scheduler, function_name
from skypy.worker.messages.messenger import Messenger
from skypy.worker.node_link import NodeLink
from skypy.worker.services.loader import create_module, find_service, unload
from skypy.worker.services.reservations import Places
from skypy.worker.sockets.sockets import AnySocket, Sockets
from skypy.worker.sockets.stream_socket import ListenerSocket, StreamSocket
from skypy.worker.tasks.eager import cancellations, outcome_of, start_eagerly

log: Final = logging.getLogger("skypy")


EXITED: Final = "it has called exit()"
_FAILED: Final = "it failed to start"
_STOPPED: Final = "its node stops"
_KILLED: Final = "it was killed"


class StartFailed(ServiceError):
    """A service raised while it was loaded or started; `error` is what it raised."""

    def __init__(self, text: str, error: BaseException) -> None:
        super().__init__(text)
        self.error = error


class ExitedWhileStarting(ServiceError):
    """A service has ended before its start function had finished: it may have done all that it was there for."""


class Worker:
    """The actors of this process."""

    def __init__(
        self,
        process_number: int,
        settings: Settings,
        lane: Lane,
        loop: asyncio.AbstractEventLoop,
        service_gone: Callable[[], None],
        node_link: NodeLink,
        send_to_process: Callable[[int, tuple[Any, ...], int], bool],
        node_start: NodeStart,
        kernel: Kernel = LINUX,
    ) -> None:
        """`service_gone` is called when the lane has ended: nothing can be served any more."""
        self.settings = settings
        sys.path += [folder for folder in settings.service_path if folder not in sys.path]  # for helper modules
        self.loop = loop
        self.log = log
        self.thread_id = threading.get_ident()
        self.scheduler = Scheduler(loop, kernel.now, kernel.message_queue(), kernel.messages_per_turn)
        self.sockets = Sockets(
            lane,
            self.scheduler,
            settings.socket,
            service_gone,
            kernel,
            alone=settings.workers == 1,
        )
        self.actors: dict[Address, Actor] = {}
        self.node_link = node_link
        self.places = Places(self, process_number)
        self.messenger = Messenger(
            process_number, self._kill, self.actors, self.scheduler, send_to_process, self.places.launcher
        )
        self.node_start = node_start
        self._added_settings: dict[str, str] = {}
        self._names: dict[str, Address] = {}
        self.process_number = process_number
        self._last_index = 0
        self._ends: set[asyncio.Task[None]] = set()
        self._context = contextvars.copy_context()  # for tasks that belong to no actor
        task_factory: Any = self.scheduler.create_task  # for coroutines only, as the types have it from 3.12 on
        loop.set_task_factory(task_factory)

    def tasks(self) -> list[asyncio.Task[Any]]:
        """Those of the actors, those that start actors for other workers, and those that end actors."""
        return [
            *self._ends,
            *self.places.launcher.tasks,
            *(task for actor in self.actors.values() for task in actor.tasks),
        ]

    # -- birth --

    async def launch(self, name: str, packed_arguments: bytes, asker: int = 0) -> Address:
        """Start a service; its address once its start function has finished.

        `asker`: the process number of the worker that had a place for it here.
        Raises ServiceError when there is no such service, StartFailed when its code raised, ExitedWhileStarting.
        """
        try:
            actor, code = self._load(name)
        except ServiceError:
            self._send_to_node((RESERVATION_UNUSED, asker))
            raise
        self._send_to_node((ACTOR_BORN, actor.address, asker))
        before = cancellations(self.loop)
        try:
            actor.context.copy().run(exec, code, actor.module.__dict__)
            actor.life = Life.RUNNING
            await self._run_start(actor, packed_arguments)
        except BaseException as error:
            cancelled = isinstance(error, asyncio.CancelledError)
            if cancelled and actor.ended is not None and cancellations(self.loop) == before:
                raise _exited(name) from error
            await self.end(actor, _FAILED)
            if cancelled and cancellations(self.loop) > before:
                raise
            text = describe(error, actor.start_function)
            raise StartFailed(f'service "{name}" failed to start:\n{text}', error) from error
        if actor.ended is not None:
            raise _exited(name)
        return actor.address

    def _load(self, name: str) -> tuple[Actor, CodeType]:
        """A new actor, and the code that is to run in its module."""
        file, status = find_service(name, self.settings.service_path)
        if self._last_index == LAST_INDEX:
            raise ServiceError(f"this worker has given out all its {LAST_INDEX} addresses")
        self._last_index += 1
        address = make_address(self.process_number, self._last_index)
        try:
            module, code = create_module(file, status, f"{name}@{address:08x}")
        except (SyntaxError, ValueError) as error:
            raise StartFailed(f'service "{name}" cannot be loaded:\n{describe(error)}', error) from error
        actor = self.actors[address] = Actor(address, self, module, self._context.copy())
        return actor, code

    async def _run_start(self, actor: Actor, packed_arguments: bytes) -> None:
        arguments, _ = unpack_arguments(packed_arguments)  # not before the module has registered its types
        function = actor.start_function
        if function is None:
            return
        context = actor.context.copy()
        result = context.run(function, *arguments)
        if not isinstance(result, Coroutine):
            return
        task = start_eagerly(self.loop, result, name=function_name(function), context=context)
        outcome = outcome_of(task)
        if outcome is None:
            actor.tasks.add(task)
            task.add_done_callback(actor.tasks.discard)
            await asyncio.wait([task])  # awaiting the task itself would let its GeneratorExit close us
            task.result()
        elif outcome[1] is not None:
            raise outcome[1]

    def _send_to_node(self, message: tuple[Any, ...]) -> None:
        """Tell the node, with what else is said in this turn."""
        self.node_link.send_later(message)
        self.scheduler.request_turn()

    # -- death --

    def begin_end(self, actor: Actor, reason: str) -> asyncio.Future[None]:
        """Begin to end an actor; the future is done when it has ended. Twice is harmless."""
        if actor.ended is None:
            actor.end_reason = reason
            actor.ended = self.loop.create_future()
            self.messenger.fail_all(actor, reason)
            task = self.loop.create_task(
                self._end(actor, actor.ended), name=f"end of {actor!r}", context=self._context.copy()
            )
            self._ends.add(task)
            task.add_done_callback(self._ends.discard)
        return actor.ended

    async def end(self, actor: Actor, reason: str) -> None:
        """End an actor and wait until it has ended."""
        await asyncio.shield(self.begin_end(actor, reason))

    async def _end(self, actor: Actor, ended: asyncio.Future[None]) -> None:
        self._close_sockets(actor, ListenerSocket)
        if actor.life is Life.RUNNING:
            actor.life = Life.ENDING
            await self._run_stop_functions(actor)
        actor.life = Life.ENDING
        await self._cancel_tasks(actor)
        self._close_sockets(actor, StreamSocket)
        actor.life = Life.ENDED
        del self.actors[actor.address]
        self._send_to_node((ACTOR_ENDED, actor.address))
        unload(actor.module.__name__)
        ended.set_result(None)

    async def _run_stop_functions(self, actor: Actor) -> None:
        for function in actor.stop_functions:
            try:
                async with asyncio.timeout(self.settings.stop_timeout):
                    result = actor.context.copy().run(function)
                    if isinstance(result, Coroutine):
                        await self.loop.create_task(result, name=function_name(function), context=actor.context.copy())
            except BaseException as error:
                actor.failed(f"in {function_name(function)}", error, function)

    async def _cancel_tasks(self, actor: Actor) -> None:
        """All of them, and those that they start while they end."""
        deadline = self.loop.time() + self.settings.stop_timeout
        while actor.tasks and self.loop.time() < deadline:
            tasks = list(actor.tasks)
            for task in tasks:
                task.cancel("the actor ends")
            await asyncio.wait(tasks, timeout=deadline - self.loop.time())
            await asyncio.sleep(0)  # their done callbacks take them out
        for task in actor.tasks:
            log.warning(
                "task %s goes on after being cancelled; it is left behind",
                task.get_name(),
                extra={"address": actor.address},
            )

    def _close_sockets(self, actor: Actor, kind: type[AnySocket]) -> None:
        for id_ in [*actor.sockets, *actor.streams]:
            socket = self.sockets.get(id_)
            if isinstance(socket, kind):
                self.sockets.close_socket(socket)

    async def stop(self) -> None:
        """End every actor at the same time."""
        for task in self.places.launcher.tasks:
            task.cancel()
        await asyncio.gather(*(self.end(actor, _STOPPED) for actor in list(self.actors.values())))

    def process_died(self, number: int, reason: str) -> None:
        """Another worker, or what was taken for one, is not there."""
        self.places.process_died(number)
        self.messenger.process_died(number, reason)

    # -- names and messages --

    def resolve(self, target: Address | str) -> Address:
        """The address behind `.name` or `:0100000a`. Raises ActorDead when nobody has the name, ValueError."""
        if isinstance(target, int):
            return check_address(target)
        if not isinstance(target, str):
            raise TypeError(f"an address is an int or a str, not {type(target).__name__}")
        if not target.startswith("."):
            return check_address(parse_address(target))
        address = self.find(target)
        if address is None:
            raise ActorDead(0, f'nobody has the name "{target}"')
        return address

    def find(self, name: str) -> Address | None:
        """Who has a name; asks the node for one that was never heard of. Raises ValueError for what is no name."""
        check_name(name)
        if name not in self._names:
            address: Address | None = self.node_link.ask_now(QUERY, name)
            return address
        return self._names[name]

    def named(self, name: str, address: Address | None) -> None:
        """The node says who has a name now."""
        if address is None:
            self._names.pop(name, None)
        else:
            self._names[name] = address

    def setting(self, key: str) -> str | None:
        """A setting of the config, or one that a service has added since, on any worker. None when it is not there."""
        for known in (self.settings.env, self._added_settings):
            if key in known:
                return known[key]
        value: str | None = self.node_link.ask_now(GET_ENV, key)
        if value is not None:
            self._added_settings[key] = value  # it never changes
        return value

    async def kill(self, actor: Actor, target: Address) -> None:
        """End `target` on behalf of `actor`."""
        if target == actor.address:
            self._kill(actor)
            raise asyncio.CancelledError("the actor kills itself")
        await self.messenger.kill(actor.address, target)
        await self.node_link.ask(FREE_NAMES, target)  # its names are free when we return

    def _kill(self, actor: Actor) -> asyncio.Future[None]:
        return self.begin_end(actor, _KILLED)

    def received(self, messages: Sequence[Any], handled: Callable[[], None]) -> None:
        """A batch of another worker; `handled` is called when each of its messages has been handled."""
        self.scheduler.begin_turn()
        handle = self.messenger.received
        self.scheduler.messages.extend([(handle, message) for message in messages])
        self.scheduler.enqueue(_call, handled)
        self.scheduler.end_turn()

    # --

    def address_in_use_hint(self, error: BaseException) -> tuple[str, str] | None:
        """For an address that cannot be listened on: the config key at fault and what would help."""
        if not isinstance(error, ListenError):
            return None
        keys = [key for key, value in self.settings.env.items() if value == str(error.port)]
        if not keys:
            return "start", str(error)
        free = error.port + 1 if 0 < error.port < 65535 else 8888
        return f"env.{keys[0]}", f"{error}; choose another, for example --set env.{keys[0]}={free}"

    def __repr__(self) -> str:
        return f"<worker {self.process_number}: {', '.join(map(format_address, self.actors))}>"


def _call(function: Callable[[], None]) -> None:
    function()


def _exited(name: str) -> ExitedWhileStarting:
    return ExitedWhileStarting(f'service "{name}" has ended before its start function had finished')
