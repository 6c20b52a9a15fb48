"""The order of writes to sockets of other workers: what happened before is on the wire before.

fence            a worker's side: what it has written and heard, and what must wait for that
foreign_output   the writes of a turn to sockets of other workers, packed, within a bound
passages         the socket service's side: it passes writes on and counts them
"""
