"""The node as the launcher of services: which worker gets one, who has which name, who waits for what."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from skypy.core.address import Address, process_number
from skypy.core.errors import NameTaken
from skypy.core.names import Names
from skypy.core.wire.control_lane import (
    ANSWER,
    FREE_NAMES,
    GET_ENV,
    LAUNCH,
    NAMED,
    NEW_SERVICE,
    QUERY,
    QUERY_SERVICE,
    REFUSAL,
    REGISTER,
    RESERVE,
    SET_ENV,
    UNIQUE_SERVICE,
)

Send = Callable[[int, tuple[Any, ...]], None]
"""Tells the worker with a process number something."""


SERVICES_PER_PLACE = 16
"""A worker may have a place in advance for each so many services of the worker with the fewest: it need not ask for
every one, and how they are spread differs little from what it would be."""
MOST_PLACES = 64

WORKER_DIED = "worker died"
"""The key of a launch that failed because its worker did."""


class _Question:
    """What a worker has asked and waits for."""

    __slots__ = ("_request", "_send", "number")

    def __init__(self, send: Send, number: int, request: int) -> None:
        self._send = send
        self.number = number
        self._request = request

    def answer(self, value: Any) -> None:
        self._send(self.number, (ANSWER, self._request, value))

    def refuse(self, error: str, text: str) -> None:
        self._send(self.number, (REFUSAL, self._request, error, text))


class Launcher:
    """Answers what workers ask.

    `workers` is index → process number of those that run now; `env` are the settings that the config begins with.
    """

    def __init__(self, workers: Mapping[int, int], send: Send, env: Mapping[str, str]) -> None:
        self._workers = workers
        self._send = send
        self._env = dict(env)
        self._names: Names[_Question] = Names()
        self._launches: dict[int, tuple[int, Callable[[Address], None], Callable[[str, str], None]]] = {}
        self._numbers = itertools.count(1)
        self._load: Counter[int] = Counter()
        """Actors, and those that are about to be: by process number."""
        self._places: Counter[tuple[int, int]] = Counter()
        """Places in advance, which are part of the load: by the worker that has them and the one where they are."""
        self._verbs: dict[str, Callable[..., None]] = {
            NEW_SERVICE: self._launch_service,
            RESERVE: self._place,
            UNIQUE_SERVICE: self._launch_unique,
            QUERY_SERVICE: self._query_unique,
            REGISTER: self._register,
            QUERY: self._query,
            FREE_NAMES: self._forget,
            SET_ENV: self._set_setting,
            GET_ENV: self._get_setting,
        }

    def asked(self, number: int, request: int, verb: str, *arguments: Any) -> None:
        """The worker with process number `number` asks."""
        self._verbs[verb](_Question(self._send, number, request), *arguments)

    def launch(
        self,
        worker: int | None,
        name: str,
        packed_arguments: bytes,
        started: Callable[[Address], None],
        failed: Callable[[str, str], None],
    ) -> None:
        """Start a service on a worker (None: the one with the fewest actors).

        `started(address)` gets 0 when it has ended before its start function had finished. `failed(key, text)` says why
        it could not be started.
        """
        number = self._least_loaded() if worker is None else self._workers[worker]
        launch = next(self._numbers)
        self._launches[launch] = (number, started, failed)
        self._load[number] += 1
        self._send(number, (LAUNCH, launch, name, packed_arguments))

    def launched(self, launch: int, address: Address) -> None:
        """A worker has started what it was told to."""
        number, started, _ = self._launches.pop(launch)
        self._load[number] -= 1
        started(address)

    def launch_failed(self, launch: int, key: str, text: str) -> None:
        """A worker could not start it."""
        number, _, failed = self._launches.pop(launch)
        self._load[number] -= 1
        failed(key, text)

    def born(self, address: Address, asker: int) -> None:
        """There is one actor more, in a place that the worker `asker` had (0: none had one)."""
        number = process_number(address)
        self._load[number] += 1
        self.vacant(number, asker)

    def vacant(self, number: int, asker: int) -> None:
        """A place in advance is none any more."""
        if self._places[asker, number]:
            self._places[asker, number] -= 1
            self._load[number] -= 1

    def gone(self, address: Address) -> None:
        """An actor has ended."""
        self._load[process_number(address)] -= 1
        self._announce_free(self._names.free(address))

    def worker_died(self, number: int, reason: str) -> None:
        """Everything that was there is gone, and what was being started there has failed."""
        del self._load[number]
        for (asker, where), count in list(self._places.items()):
            if number in (asker, where):
                del self._places[asker, where]
                if where != number:
                    self._load[where] -= count
        self._announce_free(self._names.free_process(number))
        for launch, (where, _, failed) in list(self._launches.items()):
            if where == number:
                del self._launches[launch]
                failed(WORKER_DIED, f"its worker {reason}")

    # -- verbs --

    def _launch_service(self, question: _Question, worker: int | None, name: str, packed_arguments: bytes) -> None:
        def failed(_: str, text: str) -> None:
            question.refuse("ServiceError", text)

        def started(address: Address) -> None:
            if address:
                question.answer(address)
            else:
                failed("", _exited(name))

        self.launch(worker, name, packed_arguments, started, failed)

    def _place(self, question: _Question) -> None:
        fewest = min(self._load[number] for number in self._workers.values())
        places = []
        for _ in range(min(1 + fewest // SERVICES_PER_PLACE, MOST_PLACES)):
            number = self._least_loaded()
            self._load[number] += 1
            self._places[question.number, number] += 1
            places.append(number)
        question.answer(places)

    def _launch_unique(self, question: _Question, name: str, packed_arguments: bytes) -> None:
        known = self._names.find_unique(name)
        if known is not None:
            question.answer(known)
            return

        def failed(_: str, text: str) -> None:
            for waiting in self._names.unique_failed(name):
                waiting.refuse("ServiceError", text)

        def started(address: Address) -> None:
            if not address:
                failed("", _exited(name))
                return
            for waiting in self._names.unique_started(name, address):
                waiting.answer(address)

        self._names.wait_for_unique(name, question)
        if self._names.begin_unique(name):
            self.launch(None, name, packed_arguments, started, failed)

    def _query_unique(self, question: _Question, name: str) -> None:
        known = self._names.find_unique(name)
        if known is not None:
            question.answer(known)
        else:
            self._names.wait_for_unique(name, question)

    def _register(self, question: _Question, name: str, address: Address) -> None:
        try:
            self._names.register(name, address)
        except NameTaken as error:
            question.refuse("NameTaken", str(error))
        else:
            self._announce(name, address)
            question.answer(None)

    def _query(self, question: _Question, name: str) -> None:
        question.answer(self._names.find(name))

    def _forget(self, question: _Question, address: Address) -> None:
        self._announce_free(self._names.free(address))
        question.answer(None)

    def _set_setting(self, question: _Question, key: str, value: str) -> None:
        is_new = key not in self._env
        self._env.setdefault(key, value)
        question.answer(is_new)

    def _get_setting(self, question: _Question, key: str) -> None:
        question.answer(self._env.get(key))

    # --

    def _least_loaded(self) -> int:
        return min(self._workers.values(), key=lambda number: (self._load[number], number))

    def _announce_free(self, names: Iterable[str]) -> None:
        for name in names:
            self._announce(name, None)

    def _announce(self, name: str, address: Address | None) -> None:
        for number in self._workers.values():
            self._send(number, (NAMED, name, address))


def _exited(name: str) -> str:
    return f'service "{name}" has ended before its start function had finished'
