"""`skypy client`: lines from standard input to a server, bytes from the server to standard output.

One poll loop serves both directions, so neither side ever waits for the other to read: standard input is read only when
everything before has been sent, and the server is read all the time.
"""

from __future__ import annotations

import os
import re
import selectors
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from selectors import EVENT_READ, EVENT_WRITE

import click

from skypy.cli.failure import BadInput, Failure

STDIN, STDOUT = 0, 1
CHUNK = 65536

LONGEST_COMMAND = len(b"shut_r")
SHUT_W_LINES = b"shut_w1\nshut_w2\nshut_w3\nshut_w4\n"

_ADDRESS = re.compile(r"(?:\[([^\[\]]+)\]|([^\[\]:]+)):([0-9]{1,5})")


def talk(address: str) -> None:
    """Connect to HOST:PORT and talk until the server's end-of-file or `shut_r`. Raises BadInput, Failure."""
    host, port = parse_address(address)
    _fill_standard_descriptors()
    try:
        with _end_by_signal():
            connection = socket.create_connection((host, port))
    except (OSError, UnicodeError) as error:  # UnicodeError: not a host name
        raise Failure(f"cannot connect to {address}: {getattr(error, 'strerror', None) or error}") from None
    if os.isatty(STDIN):
        _note(f"connected to {address}: type lines, or quit, shut_r, shut_w; Ctrl-D finishes, Ctrl-C ends")
    try:
        with connection:
            Conversation(connection).run()
    except OSError as error:
        raise Failure(f"{error.filename or address}: {error.strerror}") from None
    _note("end of file")


def parse_address(address: str) -> tuple[str, int]:
    """Return the host and port of `HOST:PORT` or `[IPv6]:PORT`. Raises BadInput."""
    match = _ADDRESS.fullmatch(address)
    if match is None or not 0 < int(match[3]) < 65536:
        raise BadInput(f'"{address}" is not HOST:PORT, like 127.0.0.1:8888 or [::1]:8888')
    return match[1] or match[2], int(match[3])


class Conversation:
    """One connection, the typed bytes that are still to be sent, and the sides that are to be shut after them."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._connection = connection
        self._typing = True  # standard input has not ended
        self._held = b""  # the beginning of a line that may still become a command
        self._at_line_start = True
        self._unsent = bytearray()
        self._finishing = False  # True if the writing side is to be shut once everything has been sent
        self._finished = False
        self._leaving = False  # True if the reading side is to be shut, which ends the conversation
        self._ended = False
        self._broken: OSError | None = None

    def run(self) -> None:
        """Talk until the end. Raises OSError; its `filename` is set if a standard stream failed, not the connection."""
        while not self._ended:
            ready = self._wait()
            if ready.get(self._connection.fileno(), 0) & EVENT_READ:
                self._receive()
            if STDIN in ready:
                self._read_input()
            self._send()

    def _wait(self) -> dict[int, int]:
        with selectors.PollSelector() as selector:  # it has no state in the kernel, so a new one is cheap
            selector.register(self._connection, EVENT_READ | EVENT_WRITE if self._unsent else EVENT_READ)
            if self._typing and not self._unsent:
                selector.register(STDIN, EVENT_READ)
            return {key.fd: events for key, events in selector.select()}

    # -- from the server -----------------------------------------------------------------------------------------------

    def _receive(self) -> None:
        try:
            data = self._connection.recv(CHUNK)
        except BlockingIOError:
            return
        if not data and self._broken:  # the kernel reports a reset once, perhaps to send
            raise self._broken
        self._ended = not data
        while data:
            with _naming("standard output"):
                data = data[os.write(STDOUT, data) :]

    # -- to the server -------------------------------------------------------------------------------------------------

    def _read_input(self) -> None:
        with _naming("standard input"):
            data = os.read(STDIN, CHUNK)
        if data:
            self._type(data)
            return
        if self._held or not self._at_line_start:
            self._type(b"\n")
        self._typing = False
        self._finishing = True

    def _type(self, data: bytes) -> None:
        """Act on whole lines. An unfinished line is held back only if it may become a command: lines have no limit."""
        *lines, rest = (self._held + data).split(b"\n")
        for line in lines:
            if self._at_line_start:
                self._obey(line)
            else:
                self._queue(line + b"\n")
            self._at_line_start = True
        if self._at_line_start and len(rest) <= LONGEST_COMMAND:
            self._held = rest
        else:
            self._held = b""
            self._at_line_start = False
            self._queue(rest)

    def _obey(self, line: bytes) -> None:
        if line == b"shut_r":
            self._leaving = True
        elif line == b"shut_w":
            self._queue(SHUT_W_LINES)
            self._finishing = True
        else:
            self._queue(line + b"\n")

    def _queue(self, data: bytes) -> None:
        if not (self._finishing or self._leaving):
            self._unsent += data
        elif data and not self._leaving:
            _note("not sent: the writing side is shut")

    def _send(self) -> None:
        try:
            if self._unsent:
                del self._unsent[: self._connection.send(self._unsent)]
            if not self._unsent:
                self._shut()
        except BlockingIOError:
            return
        except OSError as error:  # the server may have sent more before it broke
            self._broken = self._broken or error
            self._unsent.clear()
            self._typing = False

    def _shut(self) -> None:
        """Shut the side that the user wants shut, now that everything typed before has been sent."""
        if self._leaving:
            # The server learns nothing of this. More data from it is answered with a reset, as no reader is left.
            self._connection.shutdown(socket.SHUT_RD)
            self._ended = True
        elif self._finishing and not self._finished:
            self._finished = True
            self._connection.shutdown(socket.SHUT_WR)


def _note(text: str) -> None:
    click.echo(f"[{text}]", err=True)


def _fill_standard_descriptors() -> None:
    """Open the null device for each closed standard descriptor (`<&-`): the connection must not get its number."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(fd)


@contextmanager
def _end_by_signal() -> Iterator[None]:
    """Let Ctrl-C end the process at once: Python would handle it only after a name look-up, seconds later."""
    handler = signal.getsignal(signal.SIGINT)
    if handler is signal.default_int_handler:  # and not ignored, as in the background jobs of a script
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


@contextmanager
def _naming(stream: str) -> Iterator[None]:
    """Set the name of the stream in an OSError."""
    try:
        yield
    except OSError as error:
        error.filename = stream
        raise
