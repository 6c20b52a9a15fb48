"""The start of services in a worker that stops or has stopped."""

import asyncio
from types import ModuleType
from typing import Any, cast

import pytest

from skypy.core.errors import ServiceError
from skypy.core.wire.control_lane import RESERVATION_UNUSED
from skypy.worker.actors.actor import Actor
from skypy.worker.actors.ending import Endings
from skypy.worker.node_link import NodeLink
from skypy.worker.services.launching import Launching
from skypy.worker.services.reservations import Reservations

pytestmark = pytest.mark.interpreted


class Link:
    """The words that a worker sends to its node."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def send_later(self, message: tuple[Any, ...]) -> None:
        self.sent.append(message)


def no_actor(address: int, module: ModuleType) -> Actor:
    raise AssertionError("an actor was made")


def test_a_worker_that_has_stopped_starts_no_service_and_gives_the_reservation_back() -> None:
    link = Link()
    with asyncio.Runner() as runner:
        nothing = cast("Endings", None)
        launching = Launching(1, ["tests/worker"], runner.get_loop(), cast("NodeLink", link), nothing, no_actor)
        launching.stop()
        with pytest.raises(ServiceError, match="the worker has stopped"):
            runner.run(launching.launch("steps", b"\x92\x90\x80", 2))
    assert link.sent == [(RESERVATION_UNUSED, 2)]


def test_a_worker_that_stops_starts_further_services_in_itself() -> None:
    reservations = Reservations(cast("NodeLink", Link()))
    reservations.stay(3)
    assert [asyncio.run(reservations.take()) for _ in range(2)] == [3, 3]
