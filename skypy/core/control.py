"""What the node and its children say to each other over the control lane, which every child has from its start.

Its end-of-file means that the other side is gone. A message is a tuple: its kind, then its fields; +fd as on lanes.
"""

from __future__ import annotations

from typing import Final

# -- node → child --
SETTINGS: Final = 1  # process number, settings as plain values; the first message, to a worker with its lane: +fd
JOIN: Final = 2  # to the socket service: process number of a new worker, +fd: its lane
WATCH: Final = 3  # to the socket service: process number of a worker, +fd: its pidfd
LAUNCH: Final = 4  # to a worker: service name, arguments
STOP: Final = 5  # end in order
STOP_NOW: Final = 6  # to the socket service: what is not delivered is lost, and the peers are told by a reset

# -- child → node --
READY: Final = 20
LAUNCHED: Final = 21  # address; 0 when the service has exited in its start function
LAUNCH_FAILED: Final = 22  # config key at fault, text
