"""The connections that the kernel keeps in TIME_WAIT."""

from pathlib import Path

_TIME_WAIT = "06"


def in_time_wait(port: int) -> int:
    """Return the number of connections of a local port that are in TIME_WAIT, by proc(5)."""
    fields = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(int(one[1].rpartition(":")[2], 16) == port and one[3] == _TIME_WAIT for one in fields)
