"""Forks in its module's body, in its start function, and in its stop function, where the child comes back each time."""

import os

import skypy

worker = os.getpid()
statuses: list[int] = []


def fork() -> bool:
    """Fork; return True in the child."""
    check()
    pid = os.fork()
    if pid:
        statuses.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    return not pid


def check() -> None:
    """Say so if code behind a fork runs in a child."""
    if os.getpid() != worker:
        print("code of the parent runs in a child", flush=True)


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
    if not fork():
        skypy.log.info("the child of a stop function has ended with %d", statuses[-1])


@skypy.stop
def stop_again() -> None:
    check()
