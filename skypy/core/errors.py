"""The errors of skypy, and who is at fault.

    SkypyError
    ├── ConfigError            the config file: names the file and the key
    ├── ServiceError           a service could not be found, loaded or started; its subclasses in
    │                          skypy/worker/services/failures.py are of no concern to services
    ├── NameTaken              the name belongs to another actor
    ├── CallError              a message could not be answered
    │   ├── RemoteError        the callee raised: type, text and traceback of its exception
    │   ├── ActorDead          the callee has ended, or its process has died; says why
    │   └── MailboxFull        too much is waiting for the callee already
    └── SocketError
        ├── SocketClosed       you: the socket is closed, or not this actor's
        ├── SocketBroken       the peer or the network; an OSError with its errno
        ├── SocketBusy         two readers on one socket
        ├── BufferLimit        the peer sent more than the reader allows
        └── ListenError        an address cannot be listened on; an OSError with its errno

InternalError stands outside of the tree: an invariant of skypy itself is broken.
"""

from __future__ import annotations


class SkypyError(Exception):
    """The base of every error that skypy raises on purpose."""


class ConfigError(SkypyError):
    """A config file cannot be used.

    file: the config file as the user named it; key: the dotted key at fault ("" when it is the file itself).
    """

    def __init__(self, file: str, key: str, problem: str) -> None:
        super().__init__(file, key, problem)
        self.file = file
        self.key = key
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.file}: {self.key}: {self.problem}" if self.key else f"{self.file}: {self.problem}"


class ServiceError(SkypyError):
    """A service could not be found, loaded or started; the text says why."""


class NameTaken(SkypyError):
    """A name belongs to another actor."""


class CallError(SkypyError):
    """The base of what `call` raises."""


class RemoteError(CallError):
    """The callee raised. `type_name`, `text` and `traceback` are those of its exception, as text."""

    def __init__(self, type_name: str, text: str, traceback: str = "") -> None:
        super().__init__(type_name, text, traceback)
        self.type_name = type_name
        self.text = text
        self.traceback = traceback

    def __str__(self) -> str:
        return f"{self.type_name}: {self.text}" if self.text else self.type_name


class ActorDead(CallError):
    """The callee has ended, or its process has died. `address` is whom was asked, `reason` says how it ended."""

    def __init__(self, address: int, reason: str) -> None:
        super().__init__(address, reason)
        self.address = address
        self.reason = reason

    def __str__(self) -> str:
        return f"actor :{self.address:08x}: {self.reason}"


class MailboxFull(CallError):
    """Too much is waiting for the callee already; the message was not sent."""


class SocketError(SkypyError):
    """The base of the socket errors."""


class SocketClosed(SocketError):
    """You closed this socket, or it was never this actor's."""


class SocketBroken(SocketError, OSError):
    """The peer or the network broke the connection. `errno` and `strerror` are set, as in any OSError."""


class SocketBusy(SocketError):
    """Another task of this actor is reading from the same socket."""


class BufferLimit(SocketError):
    """The peer sent more than the reader's limit without the separator. Every byte is still there to be read."""


class ListenError(SocketError, OSError):
    """An address cannot be listened on. `errno` and `strerror` are set; `host` and `port` say which address."""

    def __init__(self, errno: int, strerror: str, host: str, port: int) -> None:
        super().__init__(errno, strerror)
        self.host = host
        self.port = port

    def __str__(self) -> str:
        return f"cannot listen on {self.host}:{self.port}: {self.strerror}"


class InternalError(Exception):
    """An invariant of skypy is broken: a bug in skypy, please report it."""


for _error in list(globals().values()):
    if isinstance(_error, type) and issubclass(_error, SkypyError):
        _error.__module__ = "skypy"  # where users import them from, and what tracebacks should say
del _error
