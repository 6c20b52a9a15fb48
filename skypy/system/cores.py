"""The cores that this process may use, and how many processes want one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_CGROUPS: Final = Path("/sys/fs/cgroup")


def available_cores(proc: Path = _PROC, cgroups: Path = _CGROUPS) -> float:
    """Return the cores that this process may use at a time, by its affinity and the quotas of its cgroups."""
    return min([float(len(os.sched_getaffinity(0))), *_quotas(proc, cgroups)])


def cores_of_machine() -> int:
    """Return the cores of the machine, also those that this process may not use."""
    return os.cpu_count() or 1


def running_threads(proc: Path = _PROC) -> int:
    """Return the number of threads of all processes of the machine that run or wait for a core; 0 if it is not known.

    The caller, which runs, is one of them.
    """
    try:
        descriptor = os.open(f"{proc}/loadavg", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        return int(os.read(descriptor, 128).split()[3].partition(b"/")[0])  # of b"0.20 0.18 0.12 1/80 11206"
    except (OSError, IndexError, ValueError):
        return 0
    finally:
        os.close(descriptor)


def _quotas(proc: Path, cgroups: Path) -> Iterator[float]:
    """Yield the limits that cgroups of both versions set, in cores: those of this process and of all above them.

    In a container the path in /proc may be the one outside, while the mounted tree begins at the container's own group;
    so files that are missing are passed over, and the root of the tree is looked at as well.
    """
    try:
        memberships = (proc / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return
    for membership in memberships:
        _, _, rest = membership.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers == "" or "cpu" in controllers.split(","):
            folder = Path(path.lstrip("/"))
            for group in (folder, *folder.parents):
                for mount in (cgroups, cgroups / "cpu", cgroups / controllers):
                    with contextlib.suppress(OSError, ValueError, ZeroDivisionError):
                        yield _quota(mount / group)


def _quota(group: Path) -> float:
    """Return the limit of one cgroup, in cores. Raises OSError or ValueError if it has none."""
    if (group / "cpu.max").exists():
        quota, period = (group / "cpu.max").read_text().split()
    else:
        quota = (group / "cpu.cfs_quota_us").read_text()
        period = (group / "cpu.cfs_period_us").read_text()
    if int(quota) < 0:  # version 1; in version 2 no limit is "max"
        raise ValueError(quota)
    return int(quota) / int(period)
