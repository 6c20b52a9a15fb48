"""A `socket.socket` with its descriptor in memory, and the methods that skypy and asyncio's `sock_` functions call."""

from __future__ import annotations

import array
import errno
import socket
from typing import Any, Final

from skypy.testing.memory.descriptors import close, description_of, install, replace
from skypy.testing.memory.lanes import LaneEndpoint
from skypy.testing.memory.network import Listening, Network, TcpEndpoint, os_error

_ATTACH_FILTER: Final = 26


class MemorySocket(socket.socket):
    """A socket that owns its descriptor. The base class is never initialised: it would ask the kernel for one."""

    def __init__(self, descriptor: int, network: Network) -> None:
        self._descriptor = descriptor
        self._network = network
        self._name = ("0.0.0.0", 0)

    @property
    def _endpoint(self) -> Any:
        return description_of(self._descriptor)

    def __repr__(self) -> str:
        return f"<socket in memory {self._descriptor}>"

    def __enter__(self) -> MemorySocket:
        return self

    def __exit__(self, *args: object) -> None:
        self.close()

    def fileno(self) -> int:
        return self._descriptor

    @property
    def family(self) -> int:  # type: ignore[override]
        return socket.AF_UNIX if isinstance(self._endpoint, LaneEndpoint) else socket.AF_INET

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            close(descriptor)

    def setblocking(self, flag: bool, /) -> None:
        """Do nothing: it never blocks."""

    def gettimeout(self) -> float:
        return 0.0

    def setsockopt(self, *args: Any) -> None:
        """Set an option; the only one that matters is the filter that drops the peer's FIN."""
        if args[:2] == (socket.SOL_SOCKET, _ATTACH_FILTER):
            self._endpoint.refuses_fin = True

    def getsockopt(self, level: int, option: int, size: int = 0, /) -> Any:
        if (level, option) == (socket.IPPROTO_TCP, socket.TCP_INFO):
            return self._endpoint.tcp_info()[:size]
        return self._endpoint.take_error() if (level, option) == (socket.SOL_SOCKET, socket.SO_ERROR) else 0

    def getsockname(self) -> Any:
        return self._endpoint.local

    def getpeername(self) -> Any:
        endpoint = self._endpoint
        if not isinstance(endpoint, TcpEndpoint) or endpoint.remote is None or not endpoint.connected:
            raise os_error(errno.ENOTCONN)
        return endpoint.remote

    # -- lanes --

    def sendmsg(self, buffers: Any, ancillary: Any = (), *args: Any) -> int:
        data = b"".join(bytes(one) for one in buffers)
        if not ancillary:
            return self.send(data)
        descriptors = [descriptor for _, _, rights in ancillary for descriptor in rights]
        return int(self._endpoint.send(data, descriptors))

    def recvmsg_into(self, buffers: Any, ancillary_size: int = 0, flags: int = 0, /) -> Any:
        del ancillary_size, flags
        count, descriptors = self._endpoint.receive(buffers[0])
        packed = array.array("i", descriptors).tobytes()
        return count, [(socket.SOL_SOCKET, socket.SCM_RIGHTS, packed)] if descriptors else [], 0, None

    # -- streams --

    def send(self, data: Any, flags: int = 0, /) -> int:
        del flags
        return int(self._endpoint.send(memoryview(data)))

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        data: bytes = self._endpoint.receive(size, peek=bool(flags & socket.MSG_PEEK))
        return data

    def shutdown(self, how: int, /) -> None:
        self._endpoint.shutdown(how)

    # -- being made --

    def bind(self, address: Any, /) -> None:
        self._name = address[:2]

    def listen(self, backlog: int = 128, /) -> None:
        replace(self._descriptor, self._network.listen(*self._name, backlog))

    def accept(self) -> Any:
        listening = self._endpoint
        assert isinstance(listening, Listening)
        endpoint = listening.accept()
        return MemorySocket(install(endpoint), self._network), endpoint.remote

    def connect(self, address: Any, /) -> None:
        self._network.connect(self._endpoint, tuple(address[:2]))
        raise os_error(errno.EINPROGRESS)

    def connect_ex(self, address: Any, /) -> int:
        self._network.connect(self._endpoint, tuple(address[:2]))
        return errno.EINPROGRESS
