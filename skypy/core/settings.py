"""What a config file says, once it has been checked. Every limit has a name here and a reason beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class SocketSettings:
    """The `[socket]` table. Times are seconds where nothing else is said, sizes bytes."""

    linger: float = 5.0
    """How long a closed connection may wait for the peer's end-of-file once everything has been acknowledged."""
    flush_timeout: float = 30.0
    """How long a closed connection may go without delivering a single queued byte before it is reset."""
    claim_timeout: float = 10.0
    """How long an accepted client may wait for an actor to start it before it is closed."""
    read_window: int = 131072
    """How much a socket may hold unread before reading pauses; skynet pauses at the same 128 KiB."""
    high_water: int = 1048576
    """How much may be unsent before drain() waits; skynet warns at the same 1 MiB."""
    low_water: int = 262144
    """How little must be unsent before a drain() that had to wait goes on: fewer and larger steps."""
    write_limit: int = 268435456
    """How much may be unsent at all: a write beyond it resets the connection, or slow readers would eat the memory."""
    half_close_timeout: float = 300.0
    """How long a connection that the peer has finished may go without being written to before it is closed."""
    time_wait: Literal["keep", "avoid"] = "keep"
    """"avoid": what was closed and wholly acknowledged ends with a reset instead of a minute of TIME_WAIT."""
    spin: int = 0
    """Microseconds that the socket service and the workers look for input before they sleep: it burns a core each."""


@dataclass(frozen=True, slots=True)
class NodeStart:
    """When the node started: the same moment on two clocks, in seconds."""

    monotonic: float
    unix: float


@dataclass(frozen=True, slots=True)
class Settings:
    """A checked config. Paths are absolute; `config_file` is as the user named it, for messages."""

    config_file: str
    start: str
    workers: int = 1
    service_path: tuple[str, ...] = ()
    logger: str = "-"
    stop_timeout: float = 10.0
    """Seconds that services may take to stop before they are ended by force."""
    env: Mapping[str, str] = field(default_factory=dict)
    socket: SocketSettings = field(default_factory=SocketSettings)

    def to_plain(self) -> dict[str, Any]:
        """The settings as values that a message can carry."""
        return asdict(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Settings:
        """The opposite of `to_plain`."""
        values = dict(plain)
        values["service_path"] = tuple(values["service_path"])
        values["socket"] = SocketSettings(**values["socket"])
        return cls(**values)
