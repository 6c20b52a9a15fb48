"""The words of the lane: what a worker and the socket service say to each other about sockets.

A message is a tuple: its kind, the socket id (or the number of the request that it answers), then its fields. Positions
are byte counts since the connection was made. A message marked +fd takes one descriptor from those that came along.
"""

from __future__ import annotations

import errno
from typing import Any, Final

Message = tuple[Any, ...]


# -- worker → socket service --
# request, [(family, host, port), ...]: resolved addresses, the first that works; backlog, whether to avoid TIME_WAIT,
# whether accepted connections stay open for writing when the peer has finished
LISTEN: Final = 1
CONNECT: Final = 2  # request, [(family, host, port), ...]: resolved addresses, tried in this order
CANCEL: Final = 3  # request: a CONNECT that is no longer wanted
CREDIT: Final = 4  # id, limit[, address of the owner]: input may be delivered, or clients accepted, up to this position
WRITE: Final = 5  # id, position, [(priority, bytes), ...], errno: what the kernel did not take from the worker, and why
SHUTDOWN: Final = 6  # id, "w" or "r"
CLOSE: Final = 7  # id[, reason, if it is not CLOSED]
ABORT: Final = 8  # id, whether by a reset (written bytes were dropped, or it was asked for)[, reason]
SEND: Final = 9  # id, [(priority, bytes), ...]: for a socket that another worker owns
DRAIN: Final = 10  # id, request: a SEND that asks when everything before it has gone out
DRAINED: Final = 11  # id, process number of who asked, request
CLAIM: Final = 12  # id: an actor here wants to own it; once until OWN or REFUSED
YIELD: Final = 13  # id, unread bytes, out, reading, errno, writable: the owner's last word, as the answer to RECALL
BREAK: Final = 14  # id, errno, reason: reset it, and report that as if the peer had done it
NETSTAT: Final = 15  # request: what there is
RETURN: Final = 16  # id, position, limit, errno: the answer to LEND, some day: input has been read up to this position

# -- socket service → worker --
SOCKET_OPEN: Final = 1  # request, id, local address, peer address (None: a listener) +fd
FAILED: Final = 2  # request, errno
SOCKET_ACCEPT: Final = 3  # listener's id, id, peer address +fd
SOCKET_DATA: Final = 4  # id, bytes
SOCKET_MORE: Final = 5  # id, bytes: DATA that another message of this socket follows at once
# id, errno: 0 is the peer's orderly end[, reason, if it is no reset]; at most once per owner, after all data
SOCKET_CLOSE: Final = 6
# id, errno[, reason, if it is no reset]: the write half is broken; on a listener, a client could not be accepted
SOCKET_ERROR: Final = 7
SENT: Final = 8  # id, position: how much of what was handed over the kernel has taken
FORGET: Final = 9  # id[, reason]: nothing depends on the worker's duplicate any more
SENT_BY: Final = 10  # id, process number, [(priority, bytes), ...]: SEND of another worker
DRAIN_BY: Final = 11  # id, process number, request: DRAIN of another worker
DRAIN_DONE: Final = 12  # id, request
GONE: Final = 13  # id: it is closed, what was sent to it is lost
RECALL: Final = 14  # id: another worker claims it
OWN: Final = 15  # id, unread, received, out, sent, reading, errno, writable, [(priority, bytes), ...] that others sent
#                  meanwhile, peer address +fd: the claim succeeded
REFUSED: Final = 16  # id: the claim failed, it is closed or unknown
HANGUP: Final = 17  # id: the peer has finished or broken it, while nothing may be read; CLOSE follows the data
FINISH: Final = 19  # id: right before CLOSE, where the owner's listener wants no half-closed connections
LEND: Final = 20  # id: from here on its owner's worker reads it by itself, until RETURN
SOCKETS: Final = 18  # request, [fields of a SocketInfo, ...], {name of a counter: count}

WITH_DESCRIPTOR: Final = frozenset({SOCKET_OPEN, SOCKET_ACCEPT, OWN})
"""The kinds from the service that take a descriptor."""


# How a message stands in a socket's output: half-sent first, then high, then low; order is kept within each.
HALF_SENT: Final = 0  # the rest of what the kernel took only in part: nothing may come before it
HIGH: Final = 1
LOW: Final = 2

SERVICE_GONE: Final = errno.ECONNABORTED
"""The errno of a connection that ended with the socket service."""
WRITE_SIZE_LIMIT: Final = 1 << 30
"""Bytes in one write: a quarter of what the length of a frame can say."""
