"""What connections leave behind in the kernel."""

from pathlib import Path

_TIME_WAIT = "06"


def in_time_wait(port: int) -> int:
    """How many connections of a local port are in TIME_WAIT, by proc(5)."""
    fields = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(int(one[1].rpartition(":")[2], 16) == port and one[3] == _TIME_WAIT for one in fields)
