"""The contents of a config file, once they have been checked. Every limit has a name here, and a reason beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from skypy.core.timing.spinning import SpinSetting


@dataclass(frozen=True, slots=True)
class SocketSettings:
    """The `[socket]` table. Times are in seconds and sizes in bytes, unless stated otherwise."""

    linger: float = 5.0
    """The time that a closed connection waits for the peer's end of input once everything has been acknowledged."""
    flush_timeout: float = 30.0
    """The time without progress after which a closed connection with undelivered output is reset."""
    claim_timeout: float = 10.0
    """The time after which an accepted client that no actor has started is closed."""
    read_window: int = 131072
    """The unread input of a socket at which reading pauses; skynet also pauses at 128 KiB."""
    high_water: int = 1048576
    """The unsent output at which drain() waits; skynet warns at the same 1 MiB."""
    low_water: int = 262144
    """The unsent output at which a drain() that had to wait goes on: low enough for few and large steps."""
    write_limit: int = 268435456
    """The unsent output beyond which a write resets the connection, so that slow readers do not use up the memory."""
    half_close_timeout: float = 300.0
    """The time after which a connection that the peer has finished is closed, if it is not written to."""
    time_wait: Literal["keep", "avoid"] = "keep"
    """"avoid": a connection that is closed and wholly acknowledged ends with a reset, without a minute of TIME_WAIT."""


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """The `[node]` table: the processes of the node."""

    spin: SpinSetting = "auto"
    """Microseconds that each process looks for input before it sleeps; "auto": some, while its waits are short."""
    max_restarts: int = 5
    """The deaths of workers within `restart_period` that are mended by a new worker; one more stops the node."""
    restart_period: float = 10.0
    """The time that a death counts, in seconds. A node that restarts workers for ever serves no client."""


@dataclass(frozen=True, slots=True)
class NodeStart:
    """The start of the node on two clocks, in seconds."""

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
    """The time that services may take to stop before they are ended by force, in seconds."""
    env: Mapping[str, str] = field(default_factory=dict)
    socket: SocketSettings = field(default_factory=SocketSettings)
    node: NodeSettings = field(default_factory=NodeSettings)

    def to_plain(self) -> dict[str, Any]:
        """Return the settings as values that a message can carry."""
        return asdict(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Settings:
        """Return the settings that `to_plain` has turned into plain values."""
        values = dict(plain)
        values["service_path"] = tuple(values["service_path"])
        values["socket"] = SocketSettings(**values["socket"])
        values["node"] = NodeSettings(**values["node"])
        return cls(**values)
