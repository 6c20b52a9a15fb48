"""The words of the control lane, which the node and each of its children have between them from the child's start.

The end of the lane means that the other side is gone. A message is a tuple: its kind, then its fields, which stand
behind each word here. A message marked +fd takes one of the descriptors that came along.
"""

from __future__ import annotations

from typing import Final

# -- node → child, 1 to 31 --
# process number (0: the socket service), settings as plain values, start of the node (monotonic and Unix time in
# seconds): always the first message; to a worker +fd: its lane to the socket service
SETTINGS: Final = 1
JOIN: Final = 2  # to the socket service and to workers: process number of another worker, +fd: the lane to it
WATCH: Final = 3  # to the socket service: process number of a worker, +fd: its pidfd
LAUNCH: Final = 4  # to a worker: launch id, service name, packed arguments
# to a worker: number of the last change of names, and what has changed: name → address (None: the name is free). A new
# worker gets all names. The name of a unique service has no dot
NAMES: Final = 5
ANSWER: Final = 6  # to a worker: ticket, value
REFUSAL: Final = 7  # to a worker: ticket, name of the error, text
DOWN: Final = 8  # to a worker: process number of another that has died, reason
UNKNOWN_PROCESS: Final = 9  # to a worker: a process number that has not been given out
STOP: Final = 10  # end in order
STOP_NOW: Final = 11  # to the socket service: end at once; peers that lose bytes are told by a reset
END_LAUNCH: Final = 12  # to a worker: launch id: the service is not wanted any more
# both ways: how many writes to sockets of other workers the sender knew of when it sent what follows
TOTAL: Final = 13

# -- child → node, 33 to 63 --
READY: Final = 33
LAUNCHED: Final = 34  # launch id, address; 0 when the service has ended before its start function had finished
LAUNCH_FAILED: Final = 35  # launch id, config key at fault, text
ASK: Final = 36  # ticket, one of the verbs below, its arguments
# address, process number of the worker that had a reservation for the actor, or 0: an actor is being started
ACTOR_BORN: Final = 37
ACTOR_ENDED: Final = 38  # address
RESERVATION_UNUSED: Final = 39  # process number of the worker that had reserved: the service could not be loaded
QUERY_PROCESS: Final = 40  # process number: DOWN or UNKNOWN_PROCESS follows if there is no such process
SHUT_DOWN_NODE: Final = 41  # address of the actor that wants the node to end

# -- the verbs of ASK: their arguments, and the answer --
NEW_SERVICE: Final = "newservice"  # worker (index, or None: the least loaded), name, packed arguments → address
# ticket of a NEW_SERVICE whose actor waits no more: the service is to end where it starts. NEW_SERVICE is answered all
# the same, since the service may have started → None
GIVE_UP: Final = "give up"
RESERVE: Final = "reserve"  # → process numbers of the workers for the next services that this worker starts, in order
UNIQUE_SERVICE: Final = "uniqueservice"  # name, packed arguments → address of the one instance, once it has started
QUERY_SERVICE: Final = "queryservice"  # name → address of the one instance, once there is one
REGISTER: Final = "register"  # name, address → None
WITHDRAW: Final = "withdraw"  # name, address: the actor is not to have this name → None
SET_ENV: Final = "setenv"  # key, value → True if there was no such key yet
GET_ENV: Final = "getenv"  # key → value or None
FREE_NAMES: Final = "free names"  # address of an actor that begins to end → None, once its names are free
