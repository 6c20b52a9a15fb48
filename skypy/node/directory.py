"""The node as the directory of its workers: names, unique services, and the entries of `[env]`."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from skypy.core.address import Address
from skypy.core.errors import NameTaken
from skypy.core.names import Names
from skypy.core.wire.control_lane import NAMES
from skypy.node.launcher import Launcher, ended_while_starting
from skypy.node.question import Question, Send


class Directory:
    """The names, unique services and entries of `[env]`, and the answers to workers that ask for them."""

    def __init__(self, workers: Collection[int], send: Send, launcher: Launcher, env: Mapping[str, str]) -> None:
        """Announce names to `workers`: the process numbers of all that run now. `env` is the config's table."""
        self._workers = workers
        self._send = send
        self._launcher = launcher
        self._env = dict(env)
        self._names: Names[Question] = Names()
        self._changes = 0  # of names
        """The number of the last change. A worker that hears of a number knows whether it has heard of that change."""

    def worker_started(self, process_number: int) -> None:
        """Tell a new worker all names: it answers its actors by itself."""
        if self._changes:
            self._send(process_number, (NAMES, self._changes, self._names.addresses))

    def actor_ended(self, address: Address) -> None:
        """Free the names of an actor that has ended."""
        self._announce(dict.fromkeys(self._names.free(address)))

    def worker_died(self, process_number: int) -> None:
        """Free the names of a worker that has died."""
        self._announce(dict.fromkeys(self._names.free_process(process_number)))

    # -- questions of workers --

    def unique_service(self, question: Question, name: str, packed_arguments: bytes) -> None:
        """Answer with the address of the one instance of a service, which is started if there is none."""
        known = self._names.find(name)
        if known is not None:
            question.answer(known)
            return

        def failed(_: str, text: str) -> None:
            for waiting in self._names.unique_failed(name):
                waiting.refuse("ServiceError", text)

        def started(address: Address) -> None:
            if not address:
                failed("", ended_while_starting(name))
                return
            waiting_for_it = self._names.unique_started(name, address)
            self._announce({name: address})
            for waiting in waiting_for_it:
                waiting.answer(address)

        self._names.wait_for_unique(name, question)
        if self._names.begin_unique(name):
            self._launcher.launch(None, name, packed_arguments, started, failed)

    def query_service(self, question: Question, name: str) -> None:
        """Answer with the address of the one instance of a service, once there is one."""
        known = self._names.find(name)
        if known is not None:
            question.answer(known)
        else:
            self._names.wait_for_unique(name, question)

    def register(self, question: Question, name: str, address: Address) -> None:
        """Give a name to an actor; refuse with NameTaken if another has it."""
        try:
            self._names.register(name, address)
        except NameTaken as error:
            question.refuse("NameTaken", str(error))
        else:
            self._announce({name: address})
            question.answer(None)

    def withdraw(self, question: Question, name: str, address: Address) -> None:
        """Free a name that an actor is not to have: its worker waited no longer for the answer to `register`."""
        if self._names.withdraw(name, address):
            self._announce({name: None})
        question.answer(None)

    def free_names(self, question: Question, address: Address) -> None:
        """Free the names of an actor that begins to end, and answer when all workers have been told."""
        self.actor_ended(address)
        question.answer(None)

    def set_env(self, question: Question, key: str, value: str) -> None:
        """Add an entry to `[env]`; answer False if there is one with this key, which stays."""
        is_new = key not in self._env
        self._env.setdefault(key, value)
        question.answer(is_new)

    def get_env(self, question: Question, key: str) -> None:
        """Answer with an entry of `[env]`, or None."""
        question.answer(self._env.get(key))

    # --

    def _announce(self, changed: Mapping[str, Address | None]) -> None:
        if changed:
            self._changes += 1
            for process_number in self._workers:
                self._send(process_number, (NAMES, self._changes, changed))
