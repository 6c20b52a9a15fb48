"""A `socket.socket` whose descriptor is in memory: what skypy, and asyncio's `sock_` functions, ask of one."""

from __future__ import annotations

import array
import errno
import socket
from typing import Any, Final

from skypy.testing.memory.descriptors import close, description_of, install, replace
from skypy.testing.memory.lanes import LaneEnd
from skypy.testing.memory.network import Listening, Network, TcpEnd, os_error

_ATTACH_FILTER: Final = 26


class MemorySocket(socket.socket):
    """Owns its number. The base class is never initialised: it would ask the kernel for a descriptor."""

    def __init__(self, number: int, network: Network) -> None:
        self._number = number
        self._network = network
        self._name = ("0.0.0.0", 0)

    @property
    def _end(self) -> Any:
        return description_of(self._number)

    def __repr__(self) -> str:
        return f"<socket in memory {self._number}>"

    def __enter__(self) -> MemorySocket:
        return self

    def __exit__(self, *args: object) -> None:
        self.close()

    def fileno(self) -> int:
        return self._number

    @property
    def family(self) -> int:  # type: ignore[override]
        return socket.AF_UNIX if isinstance(self._end, LaneEnd) else socket.AF_INET

    def close(self) -> None:
        number, self._number = self._number, -1
        if number >= 0:
            close(number)

    def setblocking(self, flag: bool, /) -> None:
        """It never blocks."""

    def gettimeout(self) -> float:
        return 0.0

    def setsockopt(self, *args: Any) -> None:
        """The one that matters is the filter that drops the peer's FIN."""
        if args[:2] == (socket.SOL_SOCKET, _ATTACH_FILTER):
            self._end.refuses_fin = True

    def getsockopt(self, level: int, option: int, size: int = 0, /) -> Any:
        if (level, option) == (socket.IPPROTO_TCP, socket.TCP_INFO):
            return self._end.tcp_info()[:size]
        return self._end.take_error() if (level, option) == (socket.SOL_SOCKET, socket.SO_ERROR) else 0

    def getsockname(self) -> Any:
        return self._end.local

    def getpeername(self) -> Any:
        end = self._end
        if not isinstance(end, TcpEnd) or end.remote is None or not end.connected:
            raise os_error(errno.ENOTCONN)
        return end.remote

    # -- lanes --

    def sendmsg(self, buffers: Any, ancillary: Any = (), *args: Any) -> int:
        data = b"".join(bytes(one) for one in buffers)
        if not ancillary:
            return self.send(data)
        numbers = [number for _, _, rights in ancillary for number in rights]
        return int(self._end.send(data, numbers))

    def recvmsg_into(self, buffers: Any, ancillary_size: int = 0, flags: int = 0, /) -> Any:
        del ancillary_size, flags
        count, numbers = self._end.receive(buffers[0])
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", numbers).tobytes())] if numbers else []
        return count, rights, 0, None

    # -- streams --

    def send(self, data: Any, flags: int = 0, /) -> int:
        del flags
        return int(self._end.send(memoryview(data)))

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        data: bytes = self._end.receive(size, peek=bool(flags & socket.MSG_PEEK))
        return data

    def shutdown(self, how: int, /) -> None:
        self._end.shutdown(how)

    # -- being made --

    def bind(self, address: Any, /) -> None:
        self._name = address[:2]

    def listen(self, backlog: int = 128, /) -> None:
        replace(self._number, self._network.listen(*self._name, backlog))

    def accept(self) -> Any:
        listening = self._end
        assert isinstance(listening, Listening)
        end = listening.accept()
        return MemorySocket(install(end), self._network), end.remote

    def connect(self, address: Any, /) -> None:
        self._network.connect(self._end, tuple(address[:2]))
        raise os_error(errno.EINPROGRESS)

    def connect_ex(self, address: Any, /) -> int:
        self._network.connect(self._end, tuple(address[:2]))
        return errno.EINPROGRESS
