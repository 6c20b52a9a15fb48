"""The world of `hand_over_world` with a peer that reads everything, slow lanes, and actors that talk much."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from tests.core.hand_over_world import PLENTY, Step, Worker, World


class Talker(Worker):
    """A worker with an actor that writes, talks, and takes the socket over; seldom it ends it."""

    def steps(self) -> Iterator[Step]:
        yield from (self.write, self.write, self.end_turn, self.say, self.say, self.say)
        if self.reports:
            yield self.hear
        if self.socket is not None:
            yield self.end_orderly
        else:
            yield self.take_over_seldom
            yield self.end_orderly_elsewhere

    def take_over_seldom(self, n: int) -> None:
        if n < 60:
            self.take_over()

    def end_orderly_elsewhere(self, n: int) -> None:
        if n < 6:
            self.end_elsewhere((0, 2, 3)[n % 3])

    def end_orderly(self, n: int) -> None:
        if n < 6:
            self.close()
        elif n < 12:
            self.end(0)


class CausalWorld(World):
    """A world in which everything that is accepted before an end has to arrive."""

    worker_class = Talker
    worker_count = 4

    def __init__(self) -> None:
        super().__init__()
        self.kernel.room = PLENTY

    def steps(self) -> Iterator[Step]:
        for worker in self.workers:
            yield from worker.steps()
            for number in worker.bus:
                other = self.workers[number - 1]
                if other.bus[worker.number]:
                    yield functools.partial(worker.hear_other, other)
        yield from self.pending()
