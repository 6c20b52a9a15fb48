"""What the node and its children say to each other over the control lane, which every child has from its start.

Its end-of-file means that the other side is gone. A message is a tuple: its kind, then its fields; +fd as on lanes.
"""

from __future__ import annotations

from typing import Final

# -- node → child --
# process number, settings as plain values, when the node started (monotonic and Unix time, seconds); the first message,
# to a worker +fd: its lane to the socket service
SETTINGS: Final = 1
JOIN: Final = 2  # to the socket service and to workers: process number of another worker, +fd: the lane to it
WATCH: Final = 3  # to the socket service: process number of a worker, +fd: its pidfd
LAUNCH: Final = 4  # to a worker: launch number, service name, packed arguments
STOP: Final = 5  # end in order
STOP_NOW: Final = 10  # to the socket service: what is not delivered is lost, and the peers are told by a reset
ANSWER: Final = 6  # to a worker: request, value
REFUSAL: Final = 7  # to a worker: request, name of the error, text
DOWN: Final = 8  # to a worker: process number of another that has died, and why
NAMED: Final = 9  # to a worker: name, address (None: nobody has it any more)
UNBORN: Final = 10  # to a worker: process number that has not been given out

# -- child → node --
READY: Final = 20
LAUNCHED: Final = 21  # launch number, address; 0 when the service has ended before its start function had finished
LAUNCH_FAILED: Final = 22  # launch number, config key at fault, text
ASK: Final = 23  # request, one of the verbs below, its arguments
BORN: Final = 24  # address; process number of the worker that had a place for it, or 0: an actor is being started
VACANT: Final = 28  # process number of the worker that had a place here: the service could not be loaded
GONE: Final = 25  # address: an actor has ended
SHUT_DOWN: Final = 27  # address of the actor that wants the node to end
WHO: Final = 26  # process number: DOWN or UNBORN comes if there is no such process

# -- what a worker asks --
LAUNCH_SERVICE: Final = "launch"  # worker (index, or None: the least loaded), name, packed arguments: address
PLACE: Final = "place"  # process numbers: where the next services go that this worker starts, in this order
LAUNCH_UNIQUE: Final = "unique"  # name, packed arguments: address, of the one there is or the one that starts now
QUERY_UNIQUE: Final = "query unique"  # name: address, once it exists
REGISTER: Final = "register"  # name, address
QUERY: Final = "query"  # name: address or None
SET_SETTING: Final = "set"  # key, value: whether it was not there yet
GET_SETTING: Final = "get"  # key: value or None
FORGET: Final = "forget"  # address: None, once the names of an actor that has ended are free
