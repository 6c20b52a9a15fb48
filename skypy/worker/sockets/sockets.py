"""The sockets of a worker: how they are made, and the facts about all of them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from skypy.core.causal.fence import Fence
from skypy.core.close_reason import CloseReason
from skypy.core.output_marks import MARKS, OutputMarks
from skypy.core.settings import SocketSettings
from skypy.core.socket_address import SocketAddress
from skypy.core.socket_info import SocketInfo
from skypy.core.tcp.foreign import LAST_ID
from skypy.core.wire import socket_lane
from skypy.core.wire.socket_lane import (
    ABORT,
    CANCEL,
    CLOSE,
    CONNECT,
    FENCE,
    LISTEN,
    NETSTAT,
    OWNER,
    SOCKET_FAILED,
    SOCKET_FENCED,
    SOCKET_NETSTAT,
    SOCKET_OPEN,
    SOCKET_OWNER,
    SOCKET_SERVICE_GONE,
)
from skypy.lane.lane import Lane
from skypy.system.kernel import Kernel
from skypy.worker.actors.actor import Actor, Life
from skypy.worker.actors.scheduler import Scheduler
from skypy.worker.sockets.direct_input import DirectInput
from skypy.worker.sockets.lane import SocketLane
from skypy.worker.sockets.notices import Notices
from skypy.worker.sockets.other_workers import OtherWorkers
from skypy.worker.sockets.ownership import Ownership
from skypy.worker.sockets.reports import Report, SocketReports
from skypy.worker.sockets.stream_socket import StreamSocket
from skypy.worker.tasks.waiter import Waiter


class Sockets:
    """The worker's affair with sockets: it wires the lane, the owners and the reports, and asks the socket service."""

    def __init__(
        self,
        lane: Lane,
        scheduler: Scheduler,
        settings: SocketSettings,
        socket_service_gone: Callable[[], None],
        kernel: Kernel,
        fence: Fence,
        *,
        alone: bool,
    ) -> None:
        """`alone`: the node has no other workers. `socket_service_gone` is called when the lane has ended.

        `fence` has the counts of foreign writes, and lets the bus and the link to the node wait for them.
        """
        self.kernel = kernel
        self.settings = settings
        self._scheduler = scheduler
        self._loop = scheduler.loop
        self._socket_service_gone = socket_service_gone
        self._alone = alone
        self._dropped: Counter[str] = Counter()
        self._fence = fence
        marks = _share_marks(lane, kernel)
        self.lane = SocketLane(lane, scheduler, self._lane_ended, marks)
        self._send = self.lane.send
        self.notices = Notices(scheduler)
        self._direct_input = direct_input = DirectInput(kernel, scheduler)
        self.ownership = Ownership(
            self.lane, scheduler, settings, kernel, direct_input, self.notices, fence, marks, alone=alone
        )
        self._leases = self.ownership.leases
        fence.begin(self._ask_fence, self._flush_foreign, self._pass_now, self._leases.caught_up)
        self.other_workers = OtherWorkers(self.ownership, scheduler.loop)
        reports = SocketReports(
            self.ownership,
            self.other_workers,
            self.notices,
            direct_input,
            self.lane,
            scheduler,
            kernel,
            self._dropped,
            fence,
        )
        self.lane.handlers.update(reports.by_kind)
        self.lane.handlers.update(
            {
                SOCKET_OPEN: self._opened,
                SOCKET_FAILED: self._failed,
                SOCKET_NETSTAT: self._answered,
                SOCKET_OWNER: self._answered,
            }
        )
        # A line that is read or written takes these short ways.
        self.own = self.ownership.own
        self.get = self.ownership.get
        self.write = self._leases.write
        self.returning = self._leases.foreign.returning

    def abandon(self) -> None:
        """Close this process's copies of the lane, the marks and the epoll in a forked child."""
        self.lane.abandon()
        self._leases.marks.abandon()
        self._direct_input.abandon()

    def _ask_fence(self, process_number: int, count: int) -> None:
        """Ask the socket service to say when so many writes of a worker have passed."""
        self._send((FENCE, process_number, count))

    def _flush_foreign(self) -> None:
        """Send the foreign writes of this turn before its end."""
        self._leases.foreign.flush()
        self.lane.flush()

    def _pass_now(self) -> int:
        """Wait, with everything else in this worker, until its foreign writes have passed. Return the total then."""
        own, made = self._fence.own, self._fence.made
        self._leases.foreign.flush()
        self._send((FENCE, own, made))
        answer = self.lane.wait_for(
            lambda report: report[0] == SOCKET_FENCED and report[1] == own and report[2] >= made
        )
        return self._fence.known if answer is None else int(answer[3])

    async def flushed(self) -> None:
        """Wait until every message has left this process, and closed connections have had their last ones."""
        if not self._leases.settled and not self.lane.ended:
            waiter: Waiter[None] = Waiter(self._loop)
            self._fence.wait(self._fence.own, self._fence.made, 0, lambda: waiter.set_result(None))
            await waiter
        await self.lane.flushed()

    def _lane_ended(self) -> None:
        """End every connection: the socket service is gone, and all of them with it."""
        for socket in list(self.own.values()):
            self.ownership.forget(socket.id)
            socket.lease.closed(SOCKET_SERVICE_GONE)
            self.notices.ended(socket, CloseReason.SOCKET_SERVICE_GONE)
            self.ownership.wake_reader(socket)
            self._leases.wake_drainers(socket)
        self._scheduler.take_turn()
        self._socket_service_gone()

    # -- making sockets --

    async def listen(
        self,
        actor: Actor,
        addresses: Sequence[tuple[int, str, int]],
        backlog: int,
        *,
        half_close: bool,
        avoid_time_wait: bool,
    ) -> int:
        """Make a listening socket and return its id. Raises OSError."""
        id_: int
        id_, descriptor, local, _ = await self._make(
            actor, LISTEN, list(addresses), backlog, avoid_time_wait, half_close
        )
        self.ownership.add_listener(id_, descriptor, actor, SocketAddress(*local))
        return id_

    async def open(self, actor: Actor, addresses: Sequence[tuple[int, str, int]]) -> int:
        """Make a connection, started, and return its id. Raises OSError."""
        id_: int
        id_, descriptor, local, peer = await self._make(actor, CONNECT, list(addresses))
        socket = self.ownership.add(id_, descriptor, actor, SocketAddress(*peer))
        socket.local = SocketAddress(*local)
        socket.has_connected = True
        self.ownership.start(socket, actor)
        return id_

    async def _make(self, actor: Actor, kind: int, *fields: Any) -> Any:
        made = await self.lane.ask(
            kind, *fields, cancelled=lambda ticket: self._send((CANCEL, ticket)), unwanted=self._refuse
        )
        if actor.life is Life.ENDED:  # and this task of it was left behind
            self._refuse(*made)
            raise RuntimeError("the actor has ended: it can have no new socket")
        return made

    def _refuse(self, id_: int, descriptor: int | None, local: object, peer: object) -> None:
        """Give a new socket up: the task that asked for it was cancelled, or its actor has ended."""
        del local
        if descriptor is not None:
            self.kernel.close(descriptor)
        if peer is None:
            self._send((CLOSE, id_))
        else:
            self._send((ABORT, id_, False, CloseReason.NOT_CONNECTED))

    def _opened(self, report: Report) -> None:
        _, ticket, id_, local, peer = report
        descriptor = self.ownership.adopt()
        if not self.lane.answered(ticket, (id_, descriptor, local, peer)):
            self._refuse(id_, descriptor, local, peer)

    def _failed(self, report: Report) -> None:
        self.lane.refused(report[1], OSError(report[2], os.strerror(report[2])))

    # -- output --

    async def wait_until_drained(self, socket: StreamSocket) -> None:
        """Wait until little enough of a socket's output is unsent, or no more of it can be sent."""
        half = socket.write_half
        marks = self._leases.marks
        while not socket.lease.is_drained(self.settings.high_water):
            waiter: Waiter[None] = Waiter(self._loop)
            half.drainers += (waiter,)
            marks.hold(socket.id)
            try:
                await waiter
            finally:  # a waiter that was woken has been taken out already
                self._loop.call_soon(marks.release, socket.id)  # when the task has written, or has nothing more to say
                if half.drainers:
                    half.drainers = tuple(other for other in half.drainers if other is not waiter)

    async def wait_until_drained_elsewhere(self, id_: int) -> None:
        """Wait until the owner of a foreign socket has got rid of earlier messages. Raises SocketClosed."""
        waiter: Waiter[None] = Waiter(self._loop)
        ticket = self._leases.foreign.drain(id_, waiter)
        try:
            await waiter
        finally:
            self._leases.foreign.end_drain(ticket)

    # -- seeing --

    def owner_elsewhere(self, id_: int) -> int:
        """Return the address of the actor that owns a socket of another worker; 0 if none has started or has it.

        Nothing else runs in this worker meanwhile: this is for errors of verbs that cannot wait.
        """
        if self._alone or not 0 < id_ <= LAST_ID or self._leases.foreign.has_ended(id_):
            return 0
        answer = self.lane.ask_now(OWNER, SOCKET_OWNER, id_)
        return int(answer[0]) if answer is not None else 0

    async def netstat(self) -> tuple[list[SocketInfo], dict[str, int]]:
        """Return every socket of the node, and how often rare events have happened in the socket service and here."""
        rows, counters = await self.lane.ask(NETSTAT, cancelled=lambda _: None, unwanted=lambda *_: None)
        counters["dropped reports"] = self._dropped.total()
        counters["foreign_writes_refused"] = self._leases.foreign.output.refused
        return [SocketInfo.from_plain(row) for row in rows], counters

    def _answered(self, report: Report) -> None:
        _, ticket, *answer = report
        self.lane.answered(ticket, answer)


def _share_marks(lane: Lane, kernel: Kernel) -> OutputMarks:
    """Let the socket service read the marks of this worker's output, if there is a descriptor for that."""
    try:
        descriptor, numbers = kernel.shared_numbers(MARKS)
    except OSError:
        return OutputMarks([0])
    lane.send_with_descriptor((socket_lane.MARKS,), descriptor)
    lane.flush()
    kernel.close(descriptor)
    return OutputMarks(numbers)
