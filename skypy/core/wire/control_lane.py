"""What the node and its children say to each other over the control lane, which every child has from its start.

Its end-of-file means that the other side is gone. A message is a tuple: its kind, then its fields; +fd as on lanes.
"""

from __future__ import annotations

from typing import Final

# -- node → child, 1 to 31 --
# process number, settings as plain values, when the node started (monotonic and Unix time, seconds); the first message,
# to a worker +fd: its lane to the socket service
SETTINGS: Final = 1
JOIN: Final = 2  # to the socket service and to workers: process number of another worker, +fd: the lane to it
WATCH: Final = 3  # to the socket service: process number of a worker, +fd: its pidfd
LAUNCH: Final = 4  # to a worker: launch id, service name, packed arguments
NAMED: Final = 5  # to a worker: name, address (None: nobody has it any more)
ANSWER: Final = 6  # to a worker: ticket, value
REFUSAL: Final = 7  # to a worker: ticket, name of the error, text
DOWN: Final = 8  # to a worker: process number of another that has died, and why
UNKNOWN_PROCESS: Final = 9  # to a worker: process number that has not been given out
STOP: Final = 10  # end in order
STOP_NOW: Final = 11  # to the socket service: what is not delivered is lost, and the peers are told by a reset

# -- child → node, 33 to 63 --
READY: Final = 33
LAUNCHED: Final = 34  # launch id, address; 0 when the service has ended before its start function had finished
LAUNCH_FAILED: Final = 35  # launch id, config key at fault, text
ASK: Final = 36  # ticket, one of the verbs below, its arguments
ACTOR_BORN: Final = (
    37  # address; process number of the worker that had reserved for it, or 0: an actor is being started
)
ACTOR_ENDED: Final = 38  # address
RESERVATION_UNUSED: Final = 39  # process number of the worker that had reserved here: the service could not be loaded
QUERY_PROCESS: Final = 40  # process number: DOWN or UNKNOWN_PROCESS comes if there is no such process
SHUT_DOWN_NODE: Final = 41  # address of the actor that wants the node to end

# -- the verbs of ASK --
NEW_SERVICE: Final = "newservice"  # worker (index, or None: the least loaded), name, packed arguments: address
RESERVE: Final = "reserve"  # process numbers: where the next services go that this worker starts, in this order
UNIQUE_SERVICE: Final = (
    "uniqueservice"  # name, packed arguments: address, of the one there is or the one that starts now
)
QUERY_SERVICE: Final = "queryservice"  # name: address, once it exists
REGISTER: Final = "register"  # name, address
QUERY: Final = "query"  # name: address or None
SET_ENV: Final = "setenv"  # key, value: whether it was not there yet
GET_ENV: Final = "getenv"  # key: value or None
FREE_NAMES: Final = "free names"  # address: None, once the names of an actor that has ended are free
