"""The errors of skypy, and the party at fault.

    SkypyError
    ├── ConfigError                 the config file; names the file and the key
    ├── ServiceError                a service could not be found, loaded or started
    │   ├── StartFailed             (internal) its code raised an exception
    │   ├── ExitedWhileStarting     (internal) it ended before its start function had finished
    │   └── NoAddressLeft           (internal) the worker has given out all its addresses: another one can start it
    ├── NameTaken                   the name belongs to another actor
    ├── CallError                   a message could not be answered
    │   ├── RemoteError             the callee raised: type, text and traceback of its exception
    │   ├── ActorDead               the callee has ended, or its process has died; gives the reason
    │   └── MailboxFull             too much is waiting for the callee already
    ├── SocketError
    │   ├── SocketClosed            the caller: the socket is closed, or not this actor's
    │   ├── SocketBroken            the peer or the network; an OSError with its errno
    │   ├── SocketBusy              the caller: two readers on one socket
    │   ├── BufferLimit             the peer sent more than the reader allows
    │   └── ListenError             an address cannot be listened on; an OSError with its errno
    └── MalformedFrame              (internal) another process sent bytes that are not a message

InternalError stands outside of the tree: an invariant of skypy itself is broken. The errors marked as internal have no
public name; programs catch them by their base.
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


class StartFailed(ServiceError):
    """The code of a service raised while it was loaded or started; `error` is that exception."""

    def __init__(self, text: str, error: BaseException) -> None:
        super().__init__(text)
        self.error = error


class ExitedWhileStarting(ServiceError):
    """A service ended before its start function had finished, perhaps because its work was done."""

    def __init__(self, name: str) -> None:
        super().__init__(f'service "{name}" has ended before its start function had finished')


class NoAddressLeft(ServiceError):
    """A worker has given out all its addresses, so it can start nothing more; another worker can."""


class NameTaken(SkypyError):
    """A name belongs to another actor."""


class CallError(SkypyError):
    """The base of the errors that `call` raises."""


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
    """The callee has ended, or its process has died. `address` is the callee's, `reason` says how it ended."""

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
    """The socket was closed by this program, or never belonged to this actor."""


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


class MalformedFrame(SkypyError):
    """Bytes from another process are not allowed by their protocol; that process cannot be trusted any further."""


class InternalError(Exception):
    """An invariant of skypy is broken: a bug in skypy, please report it."""


_INTERNAL = (StartFailed, ExitedWhileStarting, NoAddressLeft, MalformedFrame)

for _error in list(globals().values()):
    if isinstance(_error, type) and issubclass(_error, SkypyError) and _error not in _INTERNAL:
        _error.__module__ = "skypy"  # the module that programs import it from, which tracebacks should name
del _error
