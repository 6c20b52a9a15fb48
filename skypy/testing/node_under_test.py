"""The part of a test's `system` and `node` that does not depend on whether the node is in memory."""

from __future__ import annotations

import re
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import Any

from skypy.core.address import Address
from skypy.core.settings import Settings
from skypy.testing.client import Client
from skypy.testing.journal import Expectations


class NodeUnderTest(ABC):
    """A node as a test sees it: the verbs of `skypy`, done by an actor of the test, and the powers of a test."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.expectations = Expectations()
        self.closers: list[Callable[[], Coroutine[Any, Any, Any]]] = []
        """Coroutine functions to be run when the test is over, the last one first: the rest of its fixtures."""
        self._clients: list[Client] = []
        self._ended = False

    # -- life --

    @abstractmethod
    def begin(self) -> None:
        """Start the node and its start service, if there is one. Raises NotStarted."""

    @abstractmethod
    def run_test(self, function: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Run a coroutine function of the test and return its result."""

    def end(self) -> list[str]:
        """End the node in order, and return lines about everything that was left or has gone wrong.

        Calling it twice does no harm: the second list is empty.
        """
        if self._ended:
            return []
        self._ended = True
        return self._end()

    @abstractmethod
    def _end(self) -> list[str]: ...

    @abstractmethod
    def how_to_repeat(self) -> list[str]:
        """Return lines that tell how a test that has failed is played once more."""

    @property
    @abstractmethod
    def lines(self) -> list[str]:
        """The log, line by line."""

    # -- verbs of skypy --

    async def newservice(self, name: str, /, *args: Any, worker: int | None = None) -> Address:
        """Start a service and return its address; see `skypy.newservice`."""
        address: Address = await self._do("newservice", name, *args, worker=worker)
        return address

    async def uniqueservice(self, name: str, /, *args: Any) -> Address:
        """Return the address of the one instance of a service, and start it if need be; see `skypy.uniqueservice`."""
        address: Address = await self._do("uniqueservice", name, *args)
        return address

    async def queryservice(self, name: str, /) -> Address:
        """Wait for the one instance of a service and return its address; see `skypy.queryservice`."""
        address: Address = await self._do("queryservice", name)
        return address

    async def call(self, address: Address | str, command: str, /, *args: Any, **kwargs: Any) -> Any:
        """Send a request and return the reply; see `skypy.call`."""
        return await self._do("call", address, command, *args, **kwargs)

    def send(self, address: Address | str, command: str, /, *args: Any, **kwargs: Any) -> bool:
        """Send a message without a reply; see `skypy.send`."""
        accepted: bool = self._do_now("send", address, command, *args, **kwargs)
        return accepted

    async def kill(self, address: Address | str) -> None:
        """End an actor; see `skypy.kill`."""
        await self._do("kill", address)

    def query(self, name: str) -> Address | None:
        """Return the address that has a name; see `skypy.query`."""
        address: Address | None = self._do_now("query", name)
        return address

    @abstractmethod
    async def _do(self, verb: str, *args: Any, **kwargs: Any) -> Any:
        """Do as the actor of the test what a coroutine function of `skypy` does."""

    @abstractmethod
    def _do_now(self, verb: str, *args: Any, **kwargs: Any) -> Any:
        """Do as the actor of the test what a plain function of `skypy` does."""

    # -- powers of a test --

    async def connect(self, port: int, host: str = "127.0.0.1") -> Client:
        """Return a client that is connected to a listener. Raises OSError."""
        client = self._new_client()
        self._clients.append(client)
        await client.connect(host, port)
        return client

    @abstractmethod
    def _new_client(self) -> Client: ...

    def kill_worker(self, index: int) -> None:
        """End a worker's process at once, as SIGKILL does; the node replaces it. Raises ValueError for a bad index."""
        self._check_and_signal(index, signal.SIGKILL)

    def suspend_worker(self, index: int) -> None:
        """Stop a worker's process, as SIGSTOP does: it exists and does nothing. Raises ValueError for a bad index."""
        self._check_and_signal(index, signal.SIGSTOP)

    def resume_worker(self, index: int) -> None:
        """Let a suspended worker go on, as SIGCONT does. Raises ValueError for a bad index."""
        self._check_and_signal(index, signal.SIGCONT)

    def _check_and_signal(self, index: int, signal_number: signal.Signals) -> None:
        if not 1 <= index <= self.settings.workers:
            raise ValueError(f"there is no worker {index}: this node has workers 1 to {self.settings.workers}")
        self._signal_worker(index, signal_number)

    @abstractmethod
    def _signal_worker(self, index: int, signal_number: signal.Signals) -> None:
        """Do to a worker what SIGKILL, SIGSTOP or SIGCONT does."""

    def expect_error(self, pattern: str) -> None:
        """Declare that the log is to have error lines that match `pattern` (`re.search`), at least one of them."""
        self.expectations.expected.append(re.compile(pattern, re.MULTILINE))

    def allow_error(self, pattern: str) -> None:
        """Declare that the log may have error lines that match `pattern` (`re.search`)."""
        self.expectations.allow(pattern)
