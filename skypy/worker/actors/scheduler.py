"""When the code of actors runs, in skynet's order: the handler, then wakeups, then forks, then the next message.

A turn is what happens between two waits of the worker: messages are handled one after the other, each followed by
`settle`, and at the end the hooks run (sockets are written, the lane is flushed). Code that asyncio resumed by itself
is no message; what it forks, wakes or writes is settled in a turn of its own in the loop's next iteration.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from types import CoroutineType
from typing import Any, Final

from skypy.core.waiting import Wakeable
from skypy.worker.actors.actor import Actor, Life, actor_of
from skypy.worker.tasks.current_task import current_task, enter_task, leave_task
from skypy.worker.tasks.eager import outcome_of, start_eagerly
from skypy.worker.tasks.first_step import create_unstarted

SECONDS_PER_TURN: Final = 0.002
"""Handlers that compute would hold back what others are sent, which leaves at the end of the turn."""

DEEPEST: Final = 8
"""Messages handled at once while another is: deeper ones wait for their turn, and need no stack meanwhile."""

STEPS_PER_MESSAGE: Final = 10_000
"""Wakeups and forks that one message may lead to before others get their turn: some never come to an end."""


class Scheduler:
    """Starts tasks for actors and keeps the order."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        now: Callable[[], float],
        messages: deque[tuple[Callable[[Any], None], Any]],
        messages_per_turn: int,
    ) -> None:
        """`now` is the clock, `messages` holds what waits, in the order in which it is to be handled.

        More than `messages_per_turn` wait for the next turn, so that timers, sockets and other tasks are not starved.
        """
        self.loop = loop
        self._now = now
        self._messages_per_turn = messages_per_turn
        self.end_of_turn_hooks: list[Callable[[], None]] = []
        self.wakeups: deque[tuple[Wakeable, Any]] = deque()
        self.forks: deque[Callable[[], object]] = deque()
        self.messages = messages
        """What waits to be handled."""
        self._in_turn = False
        self._turn_requested = False
        self._deadline = 0.0
        self._at_once = 0
        """How many more messages `handle_at_once` may handle in this turn; none between turns."""
        self._nesting = 0

    # -- turns --

    def begin_turn(self) -> None:
        """Messages follow; nothing is written before `end_turn`."""
        self._in_turn = True
        self._deadline = self._now() + SECONDS_PER_TURN
        self._at_once = self._messages_per_turn

    def end_turn(self) -> None:
        """Settle, then run the hooks."""
        self.begin_turn()
        self.settle()
        self._handle_messages()
        self._at_once = 0
        for hook in self.end_of_turn_hooks:
            hook()
        self._in_turn = False
        if self.unsettled or self.messages:  # next time, so that nobody else starves
            self.request_turn()

    def enqueue(self, handle: Callable[[Any], None], message: Any) -> None:
        """A message for an actor of this worker: `handle(message)` is called in the order of arrival."""
        self.messages.append((handle, message))
        if not self._in_turn:
            self.request_turn()

    def handle_at_once(self, handle: Callable[[Any], None], message: Any) -> bool:
        """Do what `post` leads to, if it would do it next, and in this turn: whether that was so.

        The current task stands still meanwhile.
        """
        if (
            self.messages
            or self.wakeups
            or self.forks
            or not self._at_once
            or self._nesting == DEEPEST
            or self._now() > self._deadline
        ):
            return False
        self._at_once -= 1
        self._nesting += 1
        loop = self.loop
        task = current_task(loop)
        if task is not None:
            leave_task(loop, task)
        try:
            handle(message)
        finally:
            if task is not None:
                enter_task(loop, task)
            self._nesting -= 1
        return True

    def _handle_messages(self) -> None:
        messages = self.messages
        now = self._now
        deadline = self._deadline
        for _ in range(self._messages_per_turn):
            if not messages or now() > deadline:
                return
            handle, message = messages.popleft()
            try:  # noqa: SIM105 - see `step`
                handle(message)
            except (SystemExit, KeyboardInterrupt):
                pass
            if self.wakeups or self.forks:
                self.settle()

    def request_turn(self) -> None:
        """Something is to be done at the end of a turn: see to it that there is one."""
        if not self._in_turn and not self._turn_requested:
            self._turn_requested = True
            self.loop.call_soon(self._requested_turn)

    def _requested_turn(self) -> None:
        self._turn_requested = False
        self.end_turn()

    @property
    def unsettled(self) -> bool:
        """Whether a wakeup or a fork waits for its turn."""
        return bool(self.wakeups or self.forks)

    def settle(self) -> None:
        """Run what the last message has left: all wakeups, then one fork after the other, each with its wakeups."""
        for _ in range(STEPS_PER_MESSAGE):
            if self.wakeups:
                waiter, value = self.wakeups.popleft()
                if not waiter.done():  # it may have been cancelled since
                    self.step(waiter.set_result, value)
            elif self.forks:
                self.step(self.forks.popleft())
            else:
                return

    @staticmethod
    def step(function: Callable[..., object], *args: Any) -> None:
        """Let a task go on. What SystemExit and KeyboardInterrupt it raises, it has itself: that is looked at there."""
        try:  # noqa: SIM105 - contextlib.suppress costs as much as a short step
            function(*args)
        except (SystemExit, KeyboardInterrupt):
            pass

    # -- what starts code --

    def run(self, actor: Actor, name: str, function: Callable[..., Any], *args: Any) -> None:
        """Call a function for an actor: a plain one at once, of a coroutine function the first step.

        Exceptions are logged under `name`, never raised.
        """
        context = actor.context.copy()
        try:
            result = context.run(function, *args)
            if result is None or (type(result) is not CoroutineType and not isinstance(result, Coroutine)):
                return
            task = start_eagerly(self.loop, result, name=name, context=context)
        except asyncio.CancelledError:
            return  # a plain function that called exit()
        except BaseException as error:  # a service that raises SystemExit fails, the worker lives
            actor.failed(f"in {name}", error)
            return
        outcome = outcome_of(task)
        if outcome is None:
            actor.tasks.add(task)
            task.add_done_callback(actor.task_done)
        elif outcome[1] is not None and not isinstance(outcome[1], asyncio.CancelledError):
            actor.failed(f"in task {name}", outcome[1])

    def fork(self, actor: Actor, coroutine: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """A task that starts once the current message has been handled."""
        if actor.life is Life.ENDED:
            coroutine.close()
            raise RuntimeError("the actor has ended: it can have no new task")
        task, first_step = create_unstarted(self.loop, coroutine, name=name, context=actor.context.copy())
        actor.tasks.add(task)
        task.add_done_callback(actor.task_done)
        self.forks.append(first_step)
        self.request_turn()
        return task

    def wake(self, waiter: Wakeable, value: Any = None) -> None:
        """Resume who waits, once the current message has been handled."""
        self.wakeups.append((waiter, value))
        self.request_turn()

    def create_task(
        self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any
    ) -> asyncio.Task[Any]:
        """The loop's task factory: a task that a service creates belongs to its actor."""
        task = asyncio.Task(coroutine, loop=loop, **options)
        actor = actor_of(options.get("context"))
        if actor is not None and actor.life is not Life.ENDED and not task.done():
            actor.tasks.add(task)
            task.add_done_callback(actor.tasks.discard)
        return task


def function_name(function: Callable[..., Any]) -> str:
    """How a function is called in messages."""
    return getattr(function, "__qualname__", None) or repr(function)
