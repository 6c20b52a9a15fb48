"""The words of the socket lane: messages about sockets between a worker and the socket service.

A message is a tuple: its kind, the socket id (or the ticket of the request that it answers), then its fields, which
stand behind each word here. Positions are byte counts since the connection was made. A message marked +fd takes one of
the descriptors that came along.
"""

from __future__ import annotations

import errno
from typing import Any, Final

Message = tuple[Any, ...]


# -- requests: worker → socket service, 1 to 63 --
# ticket, [(family, host, port), ...]: resolved addresses, of which the first that works is used; backlog; True to avoid
# TIME_WAIT; True if accepted connections stay open for writing when the peer has finished
LISTEN: Final = 1
CONNECT: Final = 2  # ticket, [(family, host, port), ...]: resolved addresses, in the order in which they are tried
CANCEL: Final = 3  # ticket of a CONNECT that is no longer wanted
# id, limit[, address of the owner[, first credit]]: input may be delivered, or clients accepted, up to this position;
# of a listener also how much input of each client may be delivered, from ACCEPT on
CREDIT: Final = 4
WRITE: Final = 5  # id, position, [(priority, bytes), ...], errno: output that the kernel did not take from the worker
SHUTDOWN: Final = 6  # id, "w" or "r"
CLOSE: Final = 7  # id[, reason, if it is not CLOSED]
ABORT: Final = 8  # id, True for a reset (written bytes were dropped, or a reset was asked for)[, reason]
BREAK: Final = 9  # id, errno, reason: reset the connection, and report that as if the peer had done it
RETURN: Final = 10  # id, position, limit, errno: the reading that LEND gave goes back; input is read up to position
# id: an actor here wants to own the socket; sent once until HANDED_OVER, REMAINS or REFUSED comes
TAKE_OVER: Final = 11
# id, unread bytes, out, reading, errno, writable, origin: the owner's last word, in answer to RECALL; of a listener the
# id alone. The origin: peer address, local address or None, True if an actor has opened the connection
YIELD: Final = 12
SEND: Final = 13  # [id, ...], [(priority, bytes), ...]: the messages for each of these sockets of other workers
DRAIN: Final = 14  # id, ticket: like SEND, to learn when everything before it has gone out
DRAINED: Final = 15  # id, process number of the worker that asked, ticket
NETSTAT: Final = 16  # ticket: asks for a list of all sockets
# process number, count: asks for an answer once so many writes of that worker have come; each id in a SEND is one, and
# each END is one
FENCE: Final = 17
# writes, bytes, late, id: SOCKET_SENT_BY was handled; of its writes so many were late for a closed socket, such as id
RECEIPT: Final = 18
# id, "close", "abort", "rw", "w" or "r": like SEND, to end a socket, or a half, that another worker owns
END: Final = 19
OWNER: Final = 20  # ticket, id: asks for the address of a socket's owner
MARKS: Final = 21  # +fd: the memory with the marks of this worker's output; see output_marks.py

# -- reports: socket service → worker, from 65 on; their names begin with SOCKET_ --
SOCKET_OPEN: Final = 65  # ticket, id, local address, peer address (None: a listener) +fd
SOCKET_FAILED: Final = 66  # ticket, errno
SOCKET_ACCEPT: Final = 67  # listener's id, id, peer address +fd
SOCKET_DATA: Final = 68  # id, bytes
SOCKET_MORE: Final = 69  # id, bytes: like DATA; another message of this socket follows at once
SOCKET_LEND: Final = 70  # id: from here on the owner's worker reads the socket by itself, until RETURN
SOCKET_HANGUP: Final = 71  # id: the peer has finished or reset while nothing may be read; CLOSE follows the data
# id, right before CLOSE, if the owner's listener wants no half-closed connections
SOCKET_REFUSE_HALF_CLOSE: Final = 72
# id, errno: 0 for the peer's orderly end[, reason if it is no reset]; at most once per owner, after all data
SOCKET_CLOSE: Final = 73
# id, errno[, reason if it is no reset]: the write half is broken; of a listener: a client could not be accepted
SOCKET_ERROR: Final = 74
SOCKET_SENT: Final = 75  # id, position: the kernel has taken the output of WRITE up to here
SOCKET_FORGET: Final = 76  # id[, reason]: the worker may close its duplicate
SOCKET_RECALL: Final = 77  # id: another worker takes the socket over
# id, unread, received, out, sent, reading, errno, writable, [(priority, bytes), ...] that other workers sent meanwhile,
# how many writes and ENDs of this worker have come since TAKE_OVER, [fields of END_BY behind the id, ...] that came
# behind those messages, origin +fd: the answer to TAKE_OVER
SOCKET_HANDED_OVER: Final = 78
SOCKET_REFUSED: Final = 79  # id: the socket cannot be taken over, because it is closed or unknown
# [id, ...], process number, count, total, [(priority, bytes), ...]: a SEND of a worker; how many writes of that worker,
# and of all workers, have come so far
SOCKET_SENT_BY: Final = 80
SOCKET_DRAIN_BY: Final = 81  # id, process number, ticket: a DRAIN of another worker
SOCKET_DRAIN_DONE: Final = 82  # id, ticket
SOCKET_GONE: Final = 83  # id[, True: to be logged]: the socket is closed, and output sent to it is lost
SOCKET_NETSTAT: Final = 84  # ticket, [fields of a SocketInfo, ...], {name of a counter: count}
SOCKET_FENCED: Final = 85  # process number, count, total: as in SOCKET_SENT_BY; the answer to FENCE
SOCKET_FILLED: Final = 86  # [id, ...], bytes: so many are under way to the worker that owns these sockets; 0: few
# id, unread, received, out, sent, reading, errno, reason, origin: the answer to TAKE_OVER of a connection that has
# ended
SOCKET_REMAINS: Final = 87
# id, clients accepted, local address +fd: the answer to TAKE_OVER of a listener
SOCKET_LISTENER_HANDED_OVER: Final = 88
# id, "close", "abort", "rw", "w" or "r", process number, count, total: an END of a worker, with the counts of
# SOCKET_SENT_BY
SOCKET_END_BY: Final = 89
SOCKET_OWNER: Final = 90  # ticket, address of the owner; 0 if the socket is closed or no actor has started it


# -- priorities of the messages in a socket's output; order is kept within each --
HALF_SENT: Final = 0  # the rest of a message that the kernel took in part: nothing may come before it
HIGH: Final = 1
LOW: Final = 2

SOCKET_SERVICE_GONE: Final = errno.ECONNABORTED
"""The errno of a connection that ended with the socket service."""
WRITE_SIZE_LIMIT: Final = 1 << 30
"""Bytes in one write: a quarter of what the length of a frame can say."""
