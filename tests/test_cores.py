"""The cores of this process and the load of the machine, read from the kernel's files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from skypy.system.cores import available_cores, cores_of_machine, running_threads

AFFINITY = float(len(os.sched_getaffinity(0)))


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def cores(tmp_path: Path, membership: str, **files: str) -> float:
    """Return the cores of a process with this line in /proc/self/cgroup, among these files of the cgroups."""
    put(tmp_path / "proc" / "self" / "cgroup", f"9:memory:/elsewhere\n{membership}\n")
    for name, text in files.items():
        put(tmp_path / "cgroups" / name, text)
    return available_cores(f"{tmp_path}/proc", f"{tmp_path}/cgroups")


def test_without_a_quota_the_affinity_counts(tmp_path: Path) -> None:
    assert available_cores(str(tmp_path), str(tmp_path)) == AFFINITY
    assert cores(tmp_path, "0::/a/b", **{"a/b/cpu.max": "max 100000\n", "a/cpu.max": "max 100000\n"}) == AFFINITY


@pytest.mark.parametrize("file", ["a/b/cpu.max", "a/cpu.max", "cpu.max"])
def test_the_quota_of_the_cgroup_and_of_those_above_it_counts(tmp_path: Path, file: str) -> None:
    assert cores(tmp_path, "0::/a/b", **{file: "50000 100000\n"}) == 0.5


def test_the_smallest_quota_counts(tmp_path: Path) -> None:
    assert cores(tmp_path, "0::/a", **{"a/cpu.max": "80000 100000\n", "cpu.max": "20000 100000\n"}) == 0.2


@pytest.mark.parametrize("folder", ["cpu", "cpu,cpuacct"])
@pytest.mark.parametrize("group", ["a", "."])
def test_a_quota_of_version_1_counts(tmp_path: Path, folder: str, group: str) -> None:
    files = {f"{folder}/{group}/cpu.cfs_quota_us": "25000\n", f"{folder}/{group}/cpu.cfs_period_us": "100000\n"}
    assert cores(tmp_path, f"4:{folder}:/a", **files) == 0.25


def test_version_1_says_minus_1_for_no_quota(tmp_path: Path) -> None:
    files = {"cpu/a/cpu.cfs_quota_us": "-1\n", "cpu/a/cpu.cfs_period_us": "100000\n"}
    assert cores(tmp_path, "1:cpu:/a", **files) == AFFINITY


@pytest.mark.parametrize("text", ["", "max", "x y", "1 0", "50000 100000 3"])
def test_a_file_that_is_not_understood_sets_no_limit(tmp_path: Path, text: str) -> None:
    assert cores(tmp_path, "0::/", **{"cpu.max": text}) == AFFINITY


def test_the_running_threads_are_those_of_the_whole_machine(tmp_path: Path) -> None:
    put(tmp_path / "loadavg", "0.20 0.18 0.12 3/80 11206\n")
    assert running_threads(str(tmp_path)) == 3
    assert running_threads() >= 1  # this one runs
    assert cores_of_machine() >= 1


@pytest.mark.parametrize("text", [None, "", "1 2 3 four/5 6"])
def test_without_a_readable_load_no_thread_is_known_to_run(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        put(tmp_path / "loadavg", text)
    assert running_threads(str(tmp_path)) == 0
