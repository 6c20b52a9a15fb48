"""Forks in its module's body, in its start function, and in its stop function, where the child comes back each time."""

import os

import skypy

first = os.getpid()
statuses: list[int] = []


def fork() -> bool:
    """Fork; return True in the child."""
    pid = os.fork()
    if pid:
        statuses.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    elif statuses and os.getppid() != first:
        print("code of the parent runs in a child", flush=True)
    return not pid


fork()


@skypy.start
def main(how: str) -> None:
    if fork() and how == "raise":
        raise ValueError("in a child")


@skypy.command
def status() -> int:
    return statuses[-1]


@skypy.stop
def stop() -> None:
    fork()


@skypy.stop
def stop_again() -> None:
    if os.getpid() != first:
        print("code of the parent runs in a child", flush=True)
