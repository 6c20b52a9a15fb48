"""The cores that this process may use, and how many threads want one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Final

_PROC: Final = "/proc"
_CGROUPS: Final = "/sys/fs/cgroup"


def available_cores(proc: str = _PROC, cgroups: str = _CGROUPS) -> float:
    """Return the cores that this process may use at a time, by its affinity and the quotas of its cgroups."""
    return min([float(len(os.sched_getaffinity(0))), *_quotas(proc, cgroups)])


def cores_of_machine() -> int:
    """Return the cores of the machine, also those that this process may not use."""
    return os.cpu_count() or 1


def running_threads(proc: str = _PROC) -> int:
    """Return the number of threads of all processes of the machine that run or wait for a core; 0 if it is not known.

    The caller, which runs, is one of them.
    """
    with contextlib.suppress(OSError, IndexError, ValueError):
        return int(_text(f"{proc}/loadavg").split()[3].partition("/")[0])  # of "0.20 0.18 0.12 1/80 11206"
    return 0


def _quotas(proc: str, cgroups: str) -> Iterator[float]:
    """Yield the limits that cgroups of both versions set, in cores: those of this process and of all above them.

    In a container the path in /proc may be the one outside, while the mounted tree begins at the container's own group;
    so files that are missing are passed over, and the root of the tree is looked at as well.
    """
    try:
        memberships = _text(f"{proc}/self/cgroup").splitlines()
    except OSError:
        return
    for membership in memberships:  # of "4:cpu,cpuacct:/group", or in version 2 "0::/group"
        _, controllers, group = membership.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        names = [name for name in group.split("/") if name]
        for depth in range(len(names) + 1):
            for mount in (cgroups, f"{cgroups}/cpu", f"{cgroups}/{controllers}"):
                with contextlib.suppress(OSError, ValueError, ZeroDivisionError):
                    yield _quota("/".join([mount, *names[:depth]]))


def _quota(group: str) -> float:
    """Return the limit of one cgroup, in cores. Raises OSError or ValueError if it has none."""
    try:
        quota, period = _text(f"{group}/cpu.max").split()  # "max" for no limit
    except FileNotFoundError:  # version 1, in which -1 stands for no limit
        quota, period = _text(f"{group}/cpu.cfs_quota_us"), _text(f"{group}/cpu.cfs_period_us")
    if int(quota) < 0:
        raise ValueError(quota)
    return int(quota) / int(period)


def _text(path: str) -> str:
    """Return the contents of a small file of the kernel. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, 65536).decode(errors="replace")
    finally:
        os.close(descriptor)
