"""The lines of the socket service while the node does not read them."""

from __future__ import annotations

import re
import subprocess
import sys

from tests.sources import ROOT

SOCKET_SERVICE = """
from skypy.net.reactor import Reactor
from skypy.node.log.reactor_log import ReactorLog
from skypy.system.poller import READABLE

class Input:
    def fileno(self):
        return 0
    def handle(self, events):
        global open
        open = False
        reactor.ignore(self)

log = ReactorLog("socket service")
open = True
reactor = Reactor(lambda: None, log.write)
log.write_on(reactor)
reactor.watch(Input(), READABLE)
for number in range(20_000):
    log.write(f"line {number} {'x' * 80}")
print("written", flush=True)
while open:
    reactor.turn()
"""


def test_the_socket_service_waits_for_no_reader_and_counts_what_is_lost_once_there_is_one() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SOCKET_SERVICE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    with process, process.stdin, process.stdout, process.stderr:
        assert process.stdout.readline() == b"written\n"
        number = 0
        for line in process.stderr:
            if lost := re.fullmatch(rb"\[socket service\] (\d+) lines of the log were lost\n", line):
                break
            assert line == b"line %d %s\n" % (number, b"x" * 80)
            number += 1
        assert lost is not None
        assert number + int(lost[1]) == 20_000
        process.stdin.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0
