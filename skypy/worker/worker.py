"""One worker: its actors, and the parts that start them, carry their messages, hold their sockets and end them."""

from __future__ import annotations

import asyncio
import contextvars
import sys
from collections.abc import Callable
from threading import get_ident as _get_thread_id
from types import ModuleType
from typing import Any, Final, NoReturn, cast

from skypy.core.address import Address, format_address, root_address
from skypy.core.causal.fence import Fence
from skypy.core.sessions import Sessions
from skypy.core.settings import NodeStart, Settings
from skypy.core.wire.control_lane import ACTOR_ENDED
from skypy.lane.lane import Lane
from skypy.system.kernel import LINUX, Kernel
from skypy.worker.actors import actor as actors
from skypy.worker.actors.actor import Actor, Life
from skypy.worker.actors.ending import Endings
from skypy.worker.actors.forked_child import FORKED, NOT_IN_A_CHILD
from skypy.worker.actors.scheduler import Scheduler
from skypy.worker.messages.calls import Calls
from skypy.worker.messages.from_bus import FromBus
from skypy.worker.messages.handling import Handling
from skypy.worker.messages.replies import Replies
from skypy.worker.messages.routes import Routes
from skypy.worker.node_link import NodeLink
from skypy.worker.services.directory import Directory
from skypy.worker.services.launching import GIVE_UP_START, START_SERVICE, Launching
from skypy.worker.services.loader import unload
from skypy.worker.services.reservations import Reservations
from skypy.worker.sockets.sockets import Sockets


class WorkerActor(Actor):
    """An actor that knows its worker, as the verbs need it. The parts of the worker below know actors only."""

    __slots__ = ("worker",)

    worker: Worker


# Every actor is a WorkerActor, so the type checker is told, and nothing is asked when the code runs.
_current: Final = cast("contextvars.ContextVar[WorkerActor]", actors.current)


def current_actor() -> WorkerActor:
    """Return the actor whose code is running.

    Raises RuntimeError outside of a service, in a thread that is not the worker's, in a forked child, and when the
    actor has ended.
    """
    try:
        actor = _current.get()
    except LookupError:
        raise RuntimeError("this call needs a running service: there is no current actor here") from None
    if actor.thread_id != _get_thread_id():
        if actor.thread_id == FORKED:
            raise RuntimeError(NOT_IN_A_CHILD)
        if actor.life is Life.ENDED:
            raise RuntimeError(
                f"the actor {format_address(actor.address)} has ended: its code cannot use skypy any more"
            )
        raise RuntimeError("skypy must be called from the service's own thread, not from another one")
    return actor


class Worker:
    """The actors of this process, and the parts that serve them."""

    def __init__(
        self,
        process_number: int,
        settings: Settings,
        lane: Lane,
        scheduler: Scheduler,
        socket_service_gone: Callable[[], None],
        node_link: NodeLink,
        send_to_process: Callable[[int, tuple[Any, ...], int], bool],
        node_start: NodeStart,
        fence: Fence,
        kernel: Kernel = LINUX,
    ) -> None:
        """Put the parts together.

        `socket_service_gone` is called when the `lane` to the socket service has ended: nothing can be served then.
        `send_to_process(number, message, size)` sends a message to another worker; see `Bus.send`.
        """
        sys.path += [folder for folder in settings.service_path if folder not in sys.path]  # for helper modules
        self.settings = settings
        self.process_number = process_number
        self.node_link = node_link
        self.node_start = node_start
        self.scheduler = scheduler
        self.loop = loop = scheduler.loop
        self.sockets = Sockets(
            lane,
            scheduler,
            settings.socket,
            socket_service_gone,
            kernel,
            fence,
            alone=settings.workers == 1,
        )
        self.actors: dict[Address, WorkerActor] = {}
        self._ended_modules: list[str] = []
        self._context = contextvars.copy_context()  # of no actor
        self.root = self._make_actor(root_address(process_number), ModuleType("root"))
        """The actor with index 0: it starts services for other workers, and has neither module nor end."""
        self.sessions: Sessions[asyncio.Future[Any]] = Sessions()
        routes = Routes(process_number, self.actors, self.root, send_to_process)
        self.replies = Replies(routes, scheduler, self.sessions)
        handle = Handling(loop, self.replies).handle
        self.directory = Directory(node_link, settings.env, fence)
        self.endings = Endings(
            loop,
            settings.stop_timeout,
            lambda actor: self.directory.actor_ends(actor.address),
            self.replies.fail_all,
            self.sockets.ownership.close_listeners_of,
            self.sockets.ownership.close_all_of,
            self._actor_ended,
        )
        self.calls = Calls(routes, scheduler, self.sessions, handle, self.endings.kill)
        self.from_bus = FromBus(routes, scheduler, self.sessions, handle, self.endings.kill)
        self.reservations = Reservations(node_link)
        self.launching = Launching(
            process_number, settings.service_path, loop, node_link, self.endings, self._new_actor
        )
        self.root.commands[START_SERVICE] = self.launching.launch_for
        self.root.commands[GIVE_UP_START] = self.launching.give_up
        task_factory: Any = scheduler.create_task  # for coroutines only, as the types have it from 3.12 on
        loop.set_task_factory(task_factory)

    def __repr__(self) -> str:
        return f"<worker {self.process_number}: {', '.join(map(format_address, self.actors))}>"

    def tasks(self) -> list[asyncio.Task[Any]]:
        """Return the tasks of the actors, those that start actors for other workers, and those that end actors."""
        return [
            *self.endings.tasks,
            *self.root.tasks,
            *(task for actor in self.actors.values() for task in actor.tasks),
        ]

    async def stop(self, reason: str) -> None:
        """End every actor at the same time, for this reason; then those that their stop functions have started.

        Then no more start.
        """
        self.reservations.stay(self.process_number)
        while self.actors:
            await asyncio.gather(*(self.endings.end(actor, reason) for actor in list(self.actors.values())))
        self.launching.stop()

    def process_died(self, process_number: int, reason: str) -> None:
        """Give up another worker, whose last message was handled."""
        self.reservations.drop(process_number)
        self.from_bus.process_died(process_number, reason)

    def process_unknown(self, process_number: int) -> None:
        """Give up a number that was taken for a worker's; a worker may have it later."""
        self.from_bus.process_died(process_number, "there is no such process")

    def abandon(self, end: Callable[[], NoReturn]) -> None:
        """Give everything up in a forked child, which ends by `end()` where it would go on as this worker."""
        for actor in (self.root, *self.actors.values(), _current.get(self.root)):
            actor.thread_id = FORKED
        self.node_link.abandon()
        self.sockets.abandon()
        self.scheduler.abandon(end)

    # -- for its parts --

    def _new_actor(self, address: Address, module: ModuleType) -> WorkerActor:
        actor = self.actors[address] = self._make_actor(address, module)
        return actor

    def _make_actor(self, address: Address, module: ModuleType) -> WorkerActor:
        actor = WorkerActor(address, module, self._context.copy())
        actor.worker = self
        return actor

    def _actor_ended(self, actor: Actor) -> None:
        del self.actors[actor.address]
        self.node_link.send_later((ACTOR_ENDED, actor.address))
        if not self._ended_modules:
            self.loop.call_soon(self._unload)  # many actors may end together
        self._ended_modules.append(actor.module.__name__)

    def _unload(self) -> None:
        unload(self._ended_modules)
        self._ended_modules.clear()
