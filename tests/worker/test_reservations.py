"""The reservations of a worker, whose node the test plays at the other end of the control lane."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from time import monotonic
from typing import Any

from skypy.core.causal.fence import Fence
from skypy.core.wire.control_lane import ANSWER, ASK, RESERVE
from skypy.lane.lane import Lane, lane_pair
from skypy.worker.actors.scheduler import Scheduler
from skypy.worker.node_link import NodeLink
from skypy.worker.services.reservations import Reservations

Play = Callable[[Reservations, Lane], Coroutine[Any, Any, None]]


def played(play: Play) -> None:
    """Run a test with the reservations of a worker and the node's end of its lane."""
    loop = asyncio.new_event_loop()
    node, control = map(Lane, lane_pair())
    scheduler = Scheduler(loop, monotonic, deque(), 1000)
    link = NodeLink(control, scheduler, {}, lambda _: None, Fence(1))
    loop.run_until_complete(asyncio.wait_for(play(Reservations(link), node), 20))
    loop.remove_reader(control.fileno())
    for end in (control, node):
        end.close()
    loop.close()


async def asked(node: Lane, count: int) -> list[int]:
    """Return the tickets of so many questions for reservations."""
    tickets: list[int] = []
    while len(tickets) < count:
        await asyncio.sleep(0)
        for kind, ticket, verb in node.receive():
            assert (kind, verb) == (ASK, RESERVE)
            tickets.append(ticket)
    return tickets


def answer(node: Lane, ticket: int, process_numbers: list[int]) -> None:
    node.send((ANSWER, ticket, process_numbers))
    node.flush()


def test_reservations_that_were_asked_for_before_a_death_are_not_used_after_it() -> None:
    async def play(reservations: Reservations, node: Lane) -> None:
        takers = [asyncio.ensure_future(reservations.take()) for _ in range(2)]
        first, second = await asked(node, 2)
        answer(node, second, [1, 2, 2])
        assert await takers[1] == 1
        reservations.drop(2)
        answer(node, first, [2, 1, 2])
        assert await takers[0] == 1
        await asks_anew(reservations.take(), node)

    played(play)


def test_a_death_between_the_answer_and_its_use_is_not_missed() -> None:
    async def play(reservations: Reservations, node: Lane) -> None:
        taker = asyncio.ensure_future(reservations.take())
        (ticket,) = await asked(node, 1)
        reservations.drop(2)
        answer(node, ticket, [2])
        await asks_anew(taker, node)

    played(play)


async def asks_anew(taker: Awaitable[int], node: Lane) -> None:
    """See that no reservation is left: the node is asked again, and its answer is used."""
    task = asyncio.ensure_future(taker)
    (ticket,) = await asked(node, 1)
    answer(node, ticket, [3])
    assert await task == 3
