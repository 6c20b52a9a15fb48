"""The questions of the workers (ASK), each put to the part of the node that answers it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from skypy.core.wire.control_lane import (
    FREE_NAMES,
    GET_ENV,
    GIVE_UP,
    NEW_SERVICE,
    QUERY_SERVICE,
    REGISTER,
    RESERVE,
    SET_ENV,
    UNIQUE_SERVICE,
    WITHDRAW,
)
from skypy.node.directory import Directory
from skypy.node.launcher import Launcher
from skypy.node.question import Question, Send


class Questions:
    """The verbs of ASK, and the methods of the launcher and the directory that answer them."""

    def __init__(self, launcher: Launcher, directory: Directory, send: Send) -> None:
        self._send = send
        self._verbs: dict[str, Callable[..., None]] = {
            NEW_SERVICE: launcher.new_service,
            GIVE_UP: launcher.give_up,
            RESERVE: launcher.reserve,
            UNIQUE_SERVICE: directory.unique_service,
            QUERY_SERVICE: directory.query_service,
            REGISTER: directory.register,
            WITHDRAW: directory.withdraw,
            FREE_NAMES: directory.free_names,
            SET_ENV: directory.set_env,
            GET_ENV: directory.get_env,
        }

    def ask(self, process_number: int, ticket: int, verb: str, *arguments: Any) -> None:
        """Put the question of a worker."""
        self._verbs[verb](Question(self._send, process_number, ticket), *arguments)
