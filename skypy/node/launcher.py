"""The node as the launcher of services: the worker that gets each, and the load of the workers."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from skypy.core.address import Address, process_number_of
from skypy.core.errors import NoAddressLeft
from skypy.core.wire.control_lane import END_LAUNCH, LAUNCH
from skypy.node.question import Question, Send

SERVICES_PER_RESERVATION: Final = 16
"""A worker that asks gets one reservation, and one more per this number of services on the least loaded worker. So it
does not have to ask for every service, and the services are spread nearly as if it did."""
MOST_RESERVATIONS: Final = 64

WORKER_DIED: Final = "worker died"
"""The key of a launch that failed because its worker died."""


class _Launch(NamedTuple):
    """A launch that a worker has not answered yet."""

    process_number: int
    worker: int | None
    name: str
    packed_arguments: bytes
    started: Callable[[Address], None]
    failed: Callable[[str, str], None]


class Launcher:
    """The launches on workers, and the reservations for services that workers start on each other."""

    def __init__(self, workers: Mapping[int, int], send: Send) -> None:
        """Launch on `workers`: index → process number of each that runs now. A node that stops replaces none."""
        self._workers = workers
        self._send = send
        self._launches: dict[int, _Launch] = {}
        self._launch_ids = itertools.count(1)
        self._asked_for: dict[tuple[int, int], int] = {}
        """The id of each launch for a question, by the process number of the worker that asks and its ticket."""
        self._load: Counter[int] = Counter()
        """Actors, launches and reservations, by the process number of their worker."""
        self._reserved: Counter[tuple[int, int]] = Counter()
        """Reservations, by the process numbers of the worker that has them and of the worker that they are for."""

    def launch(
        self,
        worker: int | None,
        name: str,
        packed_arguments: bytes,
        started: Callable[[Address], None],
        failed: Callable[[str, str], None],
    ) -> int:
        """Start a service on the worker with an index, and return the id of the launch.

        `worker` None is the worker with the fewest actors.
        `started(address)` gets 0 if the service has ended before its start function had finished. `failed(key, text)`
        gets the reason if it could not be started.
        """
        launch_id = next(self._launch_ids)
        self._begin(launch_id, _Launch(0, worker, name, packed_arguments, started, failed))
        return launch_id

    def _begin(self, launch_id: int, launch: _Launch) -> None:
        worker = launch.worker
        process_number = self._least_loaded() if worker is None else self._workers.get(worker)
        if process_number is None:
            launch.failed(WORKER_DIED, _no_worker(worker))
            return
        self._launches[launch_id] = launch._replace(process_number=process_number)
        self._load[process_number] += 1
        self._send(process_number, (LAUNCH, launch_id, launch.name, launch.packed_arguments))

    def launched(self, launch_id: int, address: Address) -> None:
        """End a launch, and pass the address to its caller."""
        launch = self._end_launch(launch_id)
        launch.started(address)

    def launch_failed(self, launch_id: int, key: str, text: str) -> None:
        """End a launch that has failed, and pass the reason to its caller, unless another worker can start the service.

        A worker without an address has said so before, and is no longer among those that run.
        """
        launch = self._end_launch(launch_id)
        if key == NoAddressLeft.__name__:
            self._begin(launch_id, launch)
        else:
            launch.failed(key, text)

    def actor_born(self, address: Address, reserved_by: int) -> None:
        """Count a new actor, which uses up a reservation of the worker `reserved_by` (0: there was none)."""
        process_number = process_number_of(address)
        self._load[process_number] += 1
        self.end_reservation(process_number, reserved_by)

    def actor_ended(self, address: Address) -> None:
        """Take an actor that has ended off the count."""
        self._load[process_number_of(address)] -= 1

    def end_reservation(self, process_number: int, reserved_by: int) -> None:
        """Take back a reservation on the worker with `process_number`, if `reserved_by` has one there."""
        if self._reserved[reserved_by, process_number]:
            self._reserved[reserved_by, process_number] -= 1
            self._load[process_number] -= 1

    def worker_died(self, process_number: int, reason: str) -> None:
        """Drop the load of a worker that has died, and end the launches there as failed."""
        del self._load[process_number]
        for (reserved_by, where), count in list(self._reserved.items()):
            if process_number in (reserved_by, where):
                del self._reserved[reserved_by, where]
                if where != process_number:
                    self._load[where] -= count
        for launch_id, launch in list(self._launches.items()):
            if launch.process_number == process_number:
                del self._launches[launch_id]
                launch.failed(WORKER_DIED, f"its worker {reason}")

    # -- questions of workers --

    def new_service(self, question: Question, worker: int | None, name: str, packed_arguments: bytes) -> None:
        """Start a service, and answer with its address."""
        key = question.process_number, question.ticket

        def failed(_: str, text: str) -> None:
            self._asked_for.pop(key, None)
            question.refuse("ServiceError", text)

        def started(address: Address) -> None:
            self._asked_for.pop(key, None)
            if address:
                question.answer(address)
            else:
                failed("", ended_while_starting(name))

        launch_id = self.launch(worker, name, packed_arguments, started, failed)
        if launch_id in self._launches:
            self._asked_for[key] = launch_id

    def give_up(self, question: Question, ticket: int) -> None:
        """Let a service end that starts for a question of the worker that gives it up."""
        launch_id = self._asked_for.get((question.process_number, ticket))
        if launch_id is not None:
            self._send(self._launches[launch_id].process_number, (END_LAUNCH, launch_id))
        question.answer(None)

    def reserve(self, question: Question) -> None:
        """Reserve for the next services of the worker that asks; answer with the process numbers of their workers."""
        process_number = self._least_loaded()
        if process_number is None:
            question.refuse("ServiceError", _no_worker(None))
            return
        numbers: list[int] = []
        for _ in range(min(1 + self._load[process_number] // SERVICES_PER_RESERVATION, MOST_RESERVATIONS)):
            process_number = self._least_loaded() or process_number
            self._load[process_number] += 1
            self._reserved[question.process_number, process_number] += 1
            numbers.append(process_number)
        question.answer(numbers)

    # --

    def _end_launch(self, launch_id: int) -> _Launch:
        launch = self._launches.pop(launch_id)
        self._load[launch.process_number] -= 1
        return launch

    def _least_loaded(self) -> int | None:
        """Return the process number of the worker with the fewest actors; None if no worker runs."""
        numbers = self._workers.values()
        return min(numbers, key=lambda process_number: (self._load[process_number], process_number), default=None)


def _no_worker(worker: int | None) -> str:
    """Return the text of the error for a service that no worker can start now."""
    which = "no worker runs" if worker is None else f"worker {worker} does not run"
    return f"{which}: its process has ended, and no other has taken its place"


def ended_while_starting(name: str) -> str:
    """Return the text of the error for a service that ended too early."""
    return f'service "{name}" has ended before its start function had finished'
