"""The order in which the code of actors runs, which is skynet's: a handler, then wakeups, then forks, then the next.

A turn is the work between two waits of the worker. Messages are handled one after the other, each followed by `settle`.
At the end of the turn the sockets are written and the lanes are flushed, as far as this turn has given them anything.
Code that asyncio resumed by itself runs outside of a turn: its forks, wakeups, writes and sends get a turn of their
own in the loop's next iteration.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from types import CoroutineType
from typing import Any, Final, NoReturn, TypeVar

from skypy.core.waiting import Wakeable
from skypy.worker.actors.actor import Actor, Life, actor_of
from skypy.worker.actors.forked_child import EndOfChild, QueueOfChild
from skypy.worker.tasks.current_task import current_task, enter_task, leave_task
from skypy.worker.tasks.eager import outcome_of, start_eagerly
from skypy.worker.tasks.first_step import create_unstarted

T = TypeVar("T")
Flush = Callable[[], object]

SECONDS_PER_TURN: Final = 0.002
"""The time after which a turn handles no further message: handlers that compute hold back the output of the turn."""

DEEPEST: Final = 8
"""The depth up to which messages are handled on the stack of their callers; deeper ones wait in the queue instead."""

HAS_ENDED: Final = "the actor has ended: it can have no new task"

STEPS_PER_MESSAGE: Final = 10_000
"""The wakeups and forks after which a message is followed by others even if its own never come to an end."""


class Scheduler:
    """The queues of a worker, and the order in which they are served."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        now: Callable[[], float],
        messages: deque[tuple[Callable[[Any], None], Any]],
        messages_per_turn: int,
    ) -> None:
        """Begin with nothing to do.

        `now` is the clock. `messages` is an empty queue, which gives out messages in the order in which they are to be
        handled. After `messages_per_turn` the rest wait for the next turn, so that timers, sockets and other tasks are
        not starved.
        """
        self.loop = loop
        self._now = now
        self._messages_per_turn = messages_per_turn
        self.messages = messages
        self.wakeups: deque[tuple[Wakeable, Any]] = deque()
        self.forks: deque[Callable[[], object]] = deque()
        self._writes: list[Flush] = []
        self._sends: list[Flush] = []
        self._last_sends: list[Flush] = []
        self._in_turn = False
        self._turn_requested = False
        self._deadline = 0.0
        self._at_once = 0
        """The number of messages that `handle_at_once` may still handle in this turn; 0 between turns."""
        self._nesting = 0

    def abandon(self, end: Callable[[], NoReturn]) -> None:
        """Drop everything that waits, in a forked child, and call `end()` where anything else would go on."""
        self.messages.clear()
        self.messages = QueueOfChild(end)
        self.wakeups.clear()
        self.wakeups.append((EndOfChild(end), None))
        self.forks.clear()

    # -- turns --

    def begin_turn(self) -> None:
        """Begin a turn, which `end_turn` has to end."""
        self._in_turn = True
        self._deadline = self._now() + SECONDS_PER_TURN
        self._at_once = self._messages_per_turn

    def end_turn(self) -> None:
        """Settle, handle the messages that wait, then write and send.

        The order of the three lists matters. Writes come first, because a socket that cannot write puts messages on the
        lane to the socket service. The bus comes behind that lane: a message to another worker may name a socket, and
        earlier requests about that socket have to reach the socket service before those of the other worker.
        """
        self.settle()
        self._handle_messages()
        self._at_once = 0
        if self._writes:
            _run_and_clear(self._writes)
        if self._sends:
            _run_and_clear(self._sends)
        if self._last_sends:
            _run_and_clear(self._last_sends)
        self._in_turn = False
        if self.wakeups or self.forks or self.messages:  # left for the next turn, so that nothing else starves
            self.request_turn()

    def take_turn(self) -> None:
        """Run a turn that begins with nothing but what waits already."""
        self.begin_turn()
        self.end_turn()

    def handle_all(self, handle: Callable[[T], object], items: Iterable[T]) -> None:
        """Run a turn that begins with `handle(item)` for each item, and settles after each."""
        self.begin_turn()
        for item in items:
            try:  # noqa: SIM105 - see `step`
                handle(item)
            except (SystemExit, KeyboardInterrupt):
                pass
            if self.wakeups or self.forks:
                self.settle()
        self.end_turn()

    def request_turn(self) -> None:
        """Make sure that a turn will end: this one, or one in the loop's next iteration."""
        if not self._in_turn and not self._turn_requested:
            self._turn_requested = True
            self.loop.call_soon(self._take_requested_turn)

    def _take_requested_turn(self) -> None:
        self._turn_requested = False
        self.take_turn()

    def write_at_end(self, flush: Flush) -> None:
        """Call `flush` once at the end of this turn: it writes to sockets, and may put messages on lanes."""
        self._writes.append(flush)
        self.request_turn()

    def send_at_end(self, flush: Flush) -> None:
        """Call `flush` once at the end of this turn: it sends to the socket service."""
        self._sends.append(flush)
        self.request_turn()

    def send_last(self, flush: Flush) -> None:
        """Call `flush` once at the end of this turn: it sends to other workers or to the node."""
        self._last_sends.append(flush)
        self.request_turn()

    # -- messages --

    def enqueue(self, handle: Callable[[Any], None], message: Any) -> None:
        """Have `handle(message)` called in the order of arrival."""
        self.messages.append((handle, message))
        if not self._in_turn:
            self.request_turn()

    def handle_at_once(self, handle: Callable[[Any], None], message: Any) -> bool:
        """Call `handle(message)` now if `enqueue` would make it the next thing to run; return False if not."""
        # A call inside a worker mostly finds nothing before it in the queue: the caller is about to wait, and the next
        # thing to run would be the handler. So the handler may as well run here, on the caller's stack, and the caller
        # finds the answer without ever waiting. No code can tell the difference as long as
        # - the message really would be next: no message waits, and no wakeup or fork, which go before messages;
        # - it would still run in this turn, which is limited in messages and in time. Between turns there is no budget,
        #   so code that asyncio resumed by itself never gets here;
        # - the stack is not used up by handlers that call others in their turn.
        # asyncio knows one current task. The caller's task stands still meanwhile, so it is taken out and put back:
        # the handler is not part of it, and may be the first step of another.
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

    # -- settling --

    def settle(self) -> None:
        """Run the wakeups that the last message has left, then one fork after the other, each with its own wakeups."""
        # The order is skynet's, where `wakeup` and `fork` fill two queues that are emptied when the handler has
        # yielded. A task that was woken has waited longer than a forked one, which has not even begun; so wakeups go
        # first, also those that a fork causes, and a fork's own forks go behind all that were there before. Both go
        # before the next message: until then no other handler sees the actor's state half changed.
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
        """Let a task go on.

        asyncio stores SystemExit and KeyboardInterrupt in the task that raises them, and raises them here as well. They
        are ignored here: the done callback of the task logs them, and the worker lives.
        """
        try:  # noqa: SIM105 - contextlib.suppress costs as much as a short step
            function(*args)
        except (SystemExit, KeyboardInterrupt):
            pass

    # -- starting code --

    def run(self, actor: Actor, name: str, function: Callable[..., Any], *args: Any) -> None:
        """Call a function for an actor: a plain function at once, of a coroutine function the first step.

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

    def fork(self, actor: Actor, coroutine: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """Return a new task, which starts once the current message has been handled.

        Raises RuntimeError when the actor has ended.
        """
        if actor.life is Life.ENDED:
            coroutine.close()
            raise RuntimeError(HAS_ENDED)
        task, first_step = create_unstarted(self.loop, coroutine, name=name, context=actor.context.copy())
        actor.tasks.add(task)
        task.add_done_callback(actor.task_done)
        self.forks.append(first_step)
        self.request_turn()
        return task

    def wake(self, waiter: Wakeable, value: Any = None) -> None:
        """Resume a waiting task once the current message has been handled."""
        self.wakeups.append((waiter, value))
        self.request_turn()

    def create_task(
        self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T], **options: Any
    ) -> asyncio.Task[T]:
        """Return a new task that belongs to the actor whose code creates it: the loop's task factory.

        Raises RuntimeError when the actor has ended.
        """
        actor = actor_of(options.get("context"))
        if actor is not None and actor.life is Life.ENDED:
            coroutine.close()
            raise RuntimeError(HAS_ENDED)
        task = asyncio.Task(coroutine, loop=loop, **options)
        if actor is not None and not task.done():
            actor.tasks.add(task)
            task.add_done_callback(actor.tasks.discard)
        return task


def function_name(function: Callable[..., Any]) -> str:
    """Return the name of a function for tasks and log lines."""
    return getattr(function, "__qualname__", None) or repr(function)


def _run_and_clear(flushes: list[Flush]) -> None:
    for flush in flushes:
        flush()
    flushes.clear()
