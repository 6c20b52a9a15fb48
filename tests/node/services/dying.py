"""Ends its worker whenever it is started."""

import os
import signal

import skypy


@skypy.start
def main() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
