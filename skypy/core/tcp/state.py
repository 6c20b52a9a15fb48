"""The states of a TCP connection in the socket service, and every input that can change them.

Theory of operation. A connection has two halves. The read half is open until the peer's FIN, the write half until our
own FIN or a failed write; the actor that owns the connection may finish each half by itself. Half-close and lingering
are therefore ordinary states. The rules:

1. Every change of a connection's state is in TRANSITIONS: (state, input) → (effects, next state).
2. Guards are resolved before the table: "close with bytes unsent" and "close with nothing unsent" are two inputs, and
   so are a reset before and after the peer has acknowledged everything.
3. Effects are data. The connection sends the reports to the owner's worker (the REPORT_ effects), the socket then does
   to the kernel what is left, in the order of the row.
4. A cell that is not in the table is a bug: the input cannot arrive in that state. Inputs that cross a close on the
   lane never get here, because they name a socket id that is no longer known.

The order of effects in a row matters. FORGET stands behind our FIN and behind a forced reset, so that the worker drops
its duplicate of the descriptor when nothing is left to do to the connection; behind it come only deadlines and FREE. A
forced reset stands before the report of it: an owner that has heard of the end finds the peer told as well. FREE is
last, as nothing can be done to a freed descriptor. FORGET is sent once per connection, whatever the end.

skynet keeps a socket type and a `closing` flag, and reads them together; here each combination is one state.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final

from skypy.core.errors import InternalError


class State(IntEnum):
    """The stages of a connection's life."""

    CONNECTING = 0  # our SYN is out
    OPEN = 1  # both halves open
    FINISHING = 2  # the owner has finished writing; bytes are still unsent, our FIN goes behind them
    HALF_CLOSED_WRITE = 3  # our FIN is sent; the peer may go on sending
    WRITE_BROKEN = 4  # a write failed, the owner knows; the input that is still there is read
    HALF_CLOSED_READ = 5  # the peer's FIN was read and reported; we may go on writing
    HALF_CLOSED_READ_FINISHING = 6  # HALF_CLOSED_READ, and the owner has finished writing with bytes unsent
    READ_STOPPED = 7  # the owner stopped reading: input is discarded, writing goes on
    READ_STOPPED_FINISHING = 8  # READ_STOPPED, and the owner has finished writing with bytes unsent
    CLOSING = 9  # the owner closed the connection: output is flushed, input discarded
    CLOSING_HALF_CLOSED = 10  # CLOSING, and the peer's FIN was read: nothing to wait for after the flush
    LINGERING = 11  # our FIN is sent and no actor owns it: input is discarded until end-of-file or deadline
    CUT_OFF = 12  # the owner's worker has died in the middle of its output: what is left of it goes out, then a reset
    CLOSED = 13  # freed; absorbing


class Input(IntEnum):
    """The events of a connection: first those of the kernel and the clock, then the requests of the owner's worker."""

    CONNECTED = 0
    CONNECT_FAILED = 1  # every address was tried
    DATA = 2
    EOF = 3  # recv gave 0 and no error was met before
    RESET = 4  # reading met an error, or end-of-file after a kept error
    RESET_UNDELIVERED = 5  # RESET after our FIN, while the peer had not acknowledged everything we sent
    WRITE_FAILED = 6  # an error met by a write, here or in the owner's worker, or told by a hang-up
    FLUSHED = 7  # the last unsent byte has gone into the kernel
    DEADLINE = 8  # no progress within the flush, linger or half-close time
    DEADLINE_UNDELIVERED = 9  # DEADLINE, where everything could have been acknowledged and is not
    FINISH = 10  # shutdown "w", nothing unsent
    FINISH_UNSENT = 11  # shutdown "w", bytes unsent
    STOP_READING = 12  # shutdown "r"
    CLOSE = 13  # close, nothing unsent; or the owner's worker has died between two answers
    CLOSE_UNSENT = 14  # close, bytes unsent; or the owner's worker has died when it had finished writing
    ABORT = 15  # shutdown "rw", nothing unsent; a cancelled connect
    ABORT_BY_RESET = 16  # abort; or shutdown "rw", bytes unsent: only a reset can say that they are missing
    BREAK = 17  # a limit of the owner was passed: a reset that is reported to the owner like any other
    DELIVERED = 18  # the peer has acknowledged everything, and a reset is to come behind it
    CUT_OFF = 19  # the owner's worker has died, and bytes of its output are unsent or missing


class Effect(IntEnum):
    """The consequences of a transition. REPORT_ effects go to the owner, the others to the kernel or the reactor."""

    REPORT_OPEN = 0  # OPEN with the descriptor
    REPORT_FAILED = 1  # FAILED with the errno
    REPORT_DATA = 2  # DATA or MORE
    REPORT_CLOSE = 3  # CLOSE, reason "eof"
    REPORT_RESET = 4  # CLOSE, reason "reset", with the errno
    REPORT_ERROR = 5  # ERROR with the errno: the write half is broken
    FORGET = 6  # FORGET: the owner's worker drops its duplicate
    DROP_QUEUE = 7  # unsent bytes are given up
    SEND_FIN = 8  # shutdown(SHUT_WR)
    AWAIT_FLUSH = 9  # start the flush deadline
    AWAIT_END = 10  # start the linger deadline
    AWAIT_ANSWER = 11  # start the half-close deadline
    LOG_LOST = 12  # no actor owns the connection any more: the socket service logs that bytes were lost
    LOG_HALF_CLOSE_TIMEOUT = 13  # the socket service logs that a half-closed connection was left alone for too long
    FORCE_RESET = 14  # make the kernel end the connection with RST
    FREE = 15  # deregister and close the descriptor
    LOG_CUT_OFF = 16  # the socket service logs that a worker has died in the middle of its output
    AWAIT_RESET = 17  # start the flush deadline, and look for the moment when the peer has acknowledged everything


# Members that are asked for by every event, read or connection. Looking one up in its Enum runs Python code in 3.11
# (a descriptor of the metaclass), so these have names of their own, here and nowhere else.
CONNECTING: Final = State.CONNECTING
OPEN: Final = State.OPEN
LINGERING: Final = State.LINGERING
CLOSED: Final = State.CLOSED
DATA: Final = Input.DATA
EOF: Final = Input.EOF
FLUSHED: Final = Input.FLUSHED
CLOSE: Final = Input.CLOSE


S, I, E = State, Input, Effect  # noqa: E741 - a table is read by its columns
TRANSITIONS: Final[Mapping[tuple[State, Input], tuple[tuple[Effect, ...], State]]] = {
    # -- being opened --
    (S.CONNECTING, I.CONNECTED): ((E.REPORT_OPEN,), S.OPEN),
    (S.CONNECTING, I.CONNECT_FAILED): ((E.REPORT_FAILED, E.FREE), S.CLOSED),
    (S.CONNECTING, I.ABORT): ((E.FREE,), S.CLOSED),
    # -- both halves open --
    (S.OPEN, I.DATA): ((E.REPORT_DATA,), S.OPEN),
    (S.OPEN, I.EOF): ((E.REPORT_CLOSE, E.AWAIT_ANSWER), S.HALF_CLOSED_READ),
    (S.OPEN, I.RESET): ((E.REPORT_RESET, E.FORGET, E.FREE), S.CLOSED),
    (S.OPEN, I.WRITE_FAILED): ((E.DROP_QUEUE, E.REPORT_ERROR), S.WRITE_BROKEN),
    (S.OPEN, I.FLUSHED): ((), S.OPEN),
    (S.OPEN, I.FINISH): ((E.SEND_FIN,), S.HALF_CLOSED_WRITE),
    (S.OPEN, I.FINISH_UNSENT): ((), S.FINISHING),
    (S.OPEN, I.STOP_READING): ((E.REPORT_CLOSE,), S.READ_STOPPED),
    (S.OPEN, I.CLOSE): ((E.SEND_FIN, E.FORGET, E.AWAIT_END), S.LINGERING),
    (S.OPEN, I.CLOSE_UNSENT): ((E.AWAIT_FLUSH,), S.CLOSING),
    (S.OPEN, I.ABORT): ((E.SEND_FIN, E.FORGET, E.FREE), S.CLOSED),
    (S.OPEN, I.ABORT_BY_RESET): ((E.FORCE_RESET, E.FORGET, E.FREE), S.CLOSED),
    (S.OPEN, I.BREAK): ((E.FORCE_RESET, E.REPORT_RESET, E.FORGET, E.FREE), S.CLOSED),
    # -- the owner has finished writing, bytes are unsent --
    (S.FINISHING, I.DATA): ((E.REPORT_DATA,), S.FINISHING),
    (S.FINISHING, I.EOF): ((E.REPORT_CLOSE, E.AWAIT_FLUSH), S.HALF_CLOSED_READ_FINISHING),
    (S.FINISHING, I.RESET): ((E.REPORT_RESET, E.FORGET, E.FREE), S.CLOSED),
    (S.FINISHING, I.WRITE_FAILED): ((E.DROP_QUEUE, E.REPORT_ERROR), S.WRITE_BROKEN),
    (S.FINISHING, I.FLUSHED): ((E.SEND_FIN,), S.HALF_CLOSED_WRITE),
    (S.FINISHING, I.STOP_READING): ((E.REPORT_CLOSE,), S.READ_STOPPED_FINISHING),
    (S.FINISHING, I.CLOSE_UNSENT): ((E.AWAIT_FLUSH,), S.CLOSING),
    (S.FINISHING, I.ABORT_BY_RESET): ((E.FORCE_RESET, E.FORGET, E.FREE), S.CLOSED),
    (S.FINISHING, I.BREAK): ((E.FORCE_RESET, E.REPORT_RESET, E.FORGET, E.FREE), S.CLOSED),
    # -- half closed: we have finished --
    (S.HALF_CLOSED_WRITE, I.DATA): ((E.REPORT_DATA,), S.HALF_CLOSED_WRITE),
    (S.HALF_CLOSED_WRITE, I.EOF): ((E.REPORT_CLOSE, E.FORGET, E.FREE), S.CLOSED),
    (S.HALF_CLOSED_WRITE, I.RESET): ((E.REPORT_RESET, E.FORGET, E.FREE), S.CLOSED),
    (S.HALF_CLOSED_WRITE, I.STOP_READING): ((E.REPORT_CLOSE, E.FORGET, E.AWAIT_END), S.LINGERING),
    (S.HALF_CLOSED_WRITE, I.CLOSE): ((E.FORGET, E.AWAIT_END), S.LINGERING),
    (S.HALF_CLOSED_WRITE, I.ABORT): ((E.FORGET, E.FREE), S.CLOSED),
    (S.HALF_CLOSED_WRITE, I.ABORT_BY_RESET): ((E.FORCE_RESET, E.FORGET, E.FREE), S.CLOSED),
    (S.HALF_CLOSED_WRITE, I.BREAK): ((E.FORCE_RESET, E.REPORT_RESET, E.FORGET, E.FREE), S.CLOSED),
    # -- a write failed: reading goes on to the end, which is then the error and never a clean end-of-file --
    (S.WRITE_BROKEN, I.DATA): ((E.REPORT_DATA,), S.WRITE_BROKEN),
    (S.WRITE_BROKEN, I.RESET): ((E.REPORT_RESET, E.FORGET, E.FREE), S.CLOSED),
    (S.WRITE_BROKEN, I.FINISH): ((), S.WRITE_BROKEN),
    (S.WRITE_BROKEN, I.STOP_READING): ((E.REPORT_CLOSE, E.FORGET, E.FREE), S.CLOSED),
    (S.WRITE_BROKEN, I.CLOSE): ((E.FORGET, E.FREE), S.CLOSED),
    (S.WRITE_BROKEN, I.ABORT): ((E.FORGET, E.FREE), S.CLOSED),
    (S.WRITE_BROKEN, I.BREAK): ((E.REPORT_RESET, E.FORGET, E.FREE), S.CLOSED),
    # -- half closed: the peer has finished; a connection that its owner neglects would stay in CLOSE_WAIT for ever --
    (S.HALF_CLOSED_READ, I.WRITE_FAILED): ((E.REPORT_ERROR, E.FORGET, E.FREE), S.CLOSED),
    (S.HALF_CLOSED_READ, I.FLUSHED): ((), S.HALF_CLOSED_READ),
    (S.HALF_CLOSED_READ, I.FINISH): ((E.SEND_FIN, E.FORGET, E.FREE), S.CLOSED),
    (S.HALF_CLOSED_READ, I.DEADLINE): ((E.LOG_HALF_CLOSE_TIMEOUT, E.SEND_FIN, E.FORGET, E.FREE), S.CLOSED),
    (S.HALF_CLOSED_READ, I.DEADLINE_UNDELIVERED): ((E.FORCE_RESET, E.REPORT_ERROR, E.FORGET, E.FREE), S.CLOSED),
    (S.HALF_CLOSED_READ, I.FINISH_UNSENT): ((E.AWAIT_FLUSH,), S.HALF_CLOSED_READ_FINISHING),
    (S.HALF_CLOSED_READ, I.STOP_READING): ((), S.HALF_CLOSED_READ),
    (S.HALF_CLOSED_READ, I.CLOSE): ((E.SEND_FIN, E.FORGET, E.FREE), S.CLOSED),
    (S.HALF_CLOSED_READ, I.CLOSE_UNSENT): ((E.AWAIT_FLUSH,), S.CLOSING_HALF_CLOSED),
    (S.HALF_CLOSED_READ, I.ABORT): ((E.SEND_FIN, E.FORGET, E.FREE), S.CLOSED),
    (S.HALF_CLOSED_READ, I.ABORT_BY_RESET): ((E.FORCE_RESET, E.FORGET, E.FREE), S.CLOSED),
    (S.HALF_CLOSED_READ, I.BREAK): ((E.FORCE_RESET, E.REPORT_ERROR, E.FORGET, E.FREE), S.CLOSED),
    (S.HALF_CLOSED_READ_FINISHING, I.WRITE_FAILED): ((E.REPORT_ERROR, E.FORGET, E.FREE), S.CLOSED),
    (S.HALF_CLOSED_READ_FINISHING, I.FLUSHED): ((E.SEND_FIN, E.FORGET, E.FREE), S.CLOSED),
    (S.HALF_CLOSED_READ_FINISHING, I.DEADLINE): ((E.FORCE_RESET, E.REPORT_ERROR, E.FORGET, E.FREE), S.CLOSED),
    (S.HALF_CLOSED_READ_FINISHING, I.STOP_READING): ((), S.HALF_CLOSED_READ_FINISHING),
    (S.HALF_CLOSED_READ_FINISHING, I.CLOSE_UNSENT): ((E.AWAIT_FLUSH,), S.CLOSING_HALF_CLOSED),
    (S.HALF_CLOSED_READ_FINISHING, I.ABORT_BY_RESET): ((E.FORCE_RESET, E.FORGET, E.FREE), S.CLOSED),
    (S.HALF_CLOSED_READ_FINISHING, I.BREAK): ((E.FORCE_RESET, E.REPORT_ERROR, E.FORGET, E.FREE), S.CLOSED),
    # -- the owner stopped reading: input is discarded, so that a later close cannot turn into a reset --
    (S.READ_STOPPED, I.DATA): ((), S.READ_STOPPED),
    (S.READ_STOPPED, I.EOF): ((E.AWAIT_ANSWER,), S.HALF_CLOSED_READ),
    (S.READ_STOPPED, I.RESET): ((E.REPORT_ERROR, E.FORGET, E.FREE), S.CLOSED),
    (S.READ_STOPPED, I.WRITE_FAILED): ((E.REPORT_ERROR, E.FORGET, E.FREE), S.CLOSED),
    (S.READ_STOPPED, I.FLUSHED): ((), S.READ_STOPPED),
    (S.READ_STOPPED, I.FINISH): ((E.SEND_FIN, E.FORGET, E.AWAIT_END), S.LINGERING),
    (S.READ_STOPPED, I.FINISH_UNSENT): ((), S.READ_STOPPED_FINISHING),
    (S.READ_STOPPED, I.CLOSE): ((E.SEND_FIN, E.FORGET, E.AWAIT_END), S.LINGERING),
    (S.READ_STOPPED, I.CLOSE_UNSENT): ((E.AWAIT_FLUSH,), S.CLOSING),
    (S.READ_STOPPED, I.ABORT): ((E.SEND_FIN, E.FORGET, E.FREE), S.CLOSED),
    (S.READ_STOPPED, I.ABORT_BY_RESET): ((E.FORCE_RESET, E.FORGET, E.FREE), S.CLOSED),
    (S.READ_STOPPED, I.BREAK): ((E.FORCE_RESET, E.REPORT_ERROR, E.FORGET, E.FREE), S.CLOSED),
    (S.READ_STOPPED_FINISHING, I.DATA): ((), S.READ_STOPPED_FINISHING),
    (S.READ_STOPPED_FINISHING, I.EOF): ((E.AWAIT_FLUSH,), S.HALF_CLOSED_READ_FINISHING),
    (S.READ_STOPPED_FINISHING, I.RESET): ((E.REPORT_ERROR, E.FORGET, E.FREE), S.CLOSED),
    (S.READ_STOPPED_FINISHING, I.WRITE_FAILED): ((E.REPORT_ERROR, E.FORGET, E.FREE), S.CLOSED),
    (S.READ_STOPPED_FINISHING, I.FLUSHED): ((E.SEND_FIN, E.FORGET, E.AWAIT_END), S.LINGERING),
    (S.READ_STOPPED_FINISHING, I.CLOSE_UNSENT): ((E.AWAIT_FLUSH,), S.CLOSING),
    (S.READ_STOPPED_FINISHING, I.ABORT_BY_RESET): ((E.FORCE_RESET, E.FORGET, E.FREE), S.CLOSED),
    # -- closed by the owner: flush, FIN, discard input to end-of-file --
    (S.CLOSING, I.DATA): ((), S.CLOSING),
    (S.CLOSING, I.EOF): ((), S.CLOSING_HALF_CLOSED),
    (S.CLOSING, I.RESET): ((E.LOG_LOST, E.FORGET, E.FREE), S.CLOSED),
    (S.CLOSING, I.WRITE_FAILED): ((E.LOG_LOST, E.FORGET, E.FREE), S.CLOSED),
    (S.CLOSING, I.FLUSHED): ((E.SEND_FIN, E.FORGET, E.AWAIT_END), S.LINGERING),
    (S.CLOSING, I.DEADLINE): ((E.LOG_LOST, E.FORCE_RESET, E.FORGET, E.FREE), S.CLOSED),
    (S.CLOSING_HALF_CLOSED, I.WRITE_FAILED): ((E.LOG_LOST, E.FORGET, E.FREE), S.CLOSED),
    (S.CLOSING_HALF_CLOSED, I.FLUSHED): ((E.SEND_FIN, E.FORGET, E.FREE), S.CLOSED),
    (S.CLOSING_HALF_CLOSED, I.DEADLINE): ((E.LOG_LOST, E.FORCE_RESET, E.FORGET, E.FREE), S.CLOSED),
    # -- everything is in the kernel, our FIN behind it --
    (S.LINGERING, I.DATA): ((), S.LINGERING),
    (S.LINGERING, I.EOF): ((E.FREE,), S.CLOSED),
    (S.LINGERING, I.RESET): ((E.FREE,), S.CLOSED),
    (S.LINGERING, I.RESET_UNDELIVERED): ((E.LOG_LOST, E.FREE), S.CLOSED),
    (S.LINGERING, I.DELIVERED): ((E.FORCE_RESET, E.FREE), S.CLOSED),
    (S.LINGERING, I.DEADLINE): ((E.FORCE_RESET, E.FREE), S.CLOSED),
    (S.LINGERING, I.DEADLINE_UNDELIVERED): ((E.LOG_LOST, E.FORCE_RESET, E.FREE), S.CLOSED),
    # -- its worker has died: nothing says that the answer is whole, so its end must not look like one --
    (S.OPEN, I.CUT_OFF): ((E.LOG_CUT_OFF, E.AWAIT_RESET), S.CUT_OFF),
    (S.HALF_CLOSED_READ, I.CUT_OFF): ((E.LOG_CUT_OFF, E.AWAIT_RESET), S.CUT_OFF),
    (S.READ_STOPPED, I.CUT_OFF): ((E.LOG_CUT_OFF, E.AWAIT_RESET), S.CUT_OFF),
    (S.CUT_OFF, I.FLUSHED): ((E.AWAIT_RESET,), S.CUT_OFF),
    (S.CUT_OFF, I.DELIVERED): ((E.FORCE_RESET, E.FORGET, E.FREE), S.CLOSED),
    (S.CUT_OFF, I.WRITE_FAILED): ((E.LOG_LOST, E.FORGET, E.FREE), S.CLOSED),
    (S.CUT_OFF, I.DEADLINE): ((E.LOG_LOST, E.FORCE_RESET, E.FORGET, E.FREE), S.CLOSED),
}
del S, I, E

DELIVERING: Final = frozenset(
    state
    for (state, given), (effects, _) in TRANSITIONS.items()
    if given is Input.DATA and Effect.REPORT_DATA in effects
)
"""States in which input is delivered to the owner, within its credit."""
DISCARDING: Final = frozenset(state for state, given in TRANSITIONS if given is Input.DATA) - DELIVERING
"""States in which input is read and thrown away."""
WRITABLE: Final = frozenset(state for state, given in TRANSITIONS if given is Input.WRITE_FAILED)
"""States in which bytes may still go out."""
ACCEPTING: Final = frozenset(state for state, given in TRANSITIONS if given is Input.FINISH_UNSENT)
"""States in which the actor may still write."""
OWNED: Final = frozenset(state for state, given in TRANSITIONS if given in (Input.ABORT, Input.ABORT_BY_RESET))
"""States in which an actor has the connection, or waits for it: only such a connection can be closed or given away."""
RESETTABLE: Final = frozenset(state for state, given in TRANSITIONS if given is Input.ABORT_BY_RESET)
"""States in which the owner can ask for a reset."""


def step(state: State, given: Input) -> tuple[tuple[Effect, ...], State]:
    """Return the effects of an input, in order, and the next state. Raises InternalError for a cell that is a bug."""
    row = TRANSITIONS.get((state, given))
    if row is None:
        raise InternalError(f"{given.name} cannot happen to a connection in state {state.name}")
    return row


def to_mermaid() -> str:
    """Draw the state diagram of the documentation from the table."""
    arrows: dict[tuple[State, State], list[str]] = {}
    for (state, given), (_, following) in TRANSITIONS.items():
        if state is not following:
            arrows.setdefault((state, following), []).append(given.name)
    lines = [
        f"    {state.name} --> {following.name}: {', '.join(given)}" for (state, following), given in arrows.items()
    ]
    return "\n".join(["stateDiagram-v2", "    [*] --> CONNECTING: connect", "    [*] --> OPEN: accept", *lines, ""])
