"""The table of a connection, walked: every cell, every path of four inputs, every history that can lead to a state."""

from __future__ import annotations

import pathlib
from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple

import pytest

from skypy.core.errors import InternalError
from skypy.core.tcp.state import (
    DELIVERING,
    DISCARDING,
    TRANSITIONS,
    WRITABLE,
    Effect,
    Input,
    State,
    step,
    to_mermaid,
)
from tests.diagram import BLOCK, DOCUMENTS

CLOSE: Final = (Effect.REPORT_CLOSE, Effect.REPORT_RESET)
REPORTS: Final = {effect for effect in Effect if effect.name.startswith("REPORT_")} | {Effect.FORGET}
DEADLINES: Final = (Effect.AWAIT_FLUSH, Effect.AWAIT_END, Effect.AWAIT_ANSWER, Effect.AWAIT_RESET)

OWNED: Final = {
    State.OPEN,
    State.FINISHING,
    State.HALF_CLOSED_WRITE,
    State.WRITE_BROKEN,
    State.HALF_CLOSED_READ,
    State.HALF_CLOSED_READ_FINISHING,
    State.READ_STOPPED,
    State.READ_STOPPED_FINISHING,
}
CLOSED_BY_OWNER: Final = {State.CLOSING, State.CLOSING_HALF_CLOSED, State.LINGERING, State.CUT_OFF}
READ_HALF_REPORTED: Final = {
    State.HALF_CLOSED_READ,
    State.HALF_CLOSED_READ_FINISHING,
    State.READ_STOPPED,
    State.READ_STOPPED_FINISHING,
}
FIN_SENT: Final = {State.HALF_CLOSED_WRITE, State.LINGERING}


class Path(NamedTuple):
    """The states and effects of a sequence of legal inputs."""

    states: tuple[State, ...]
    effects: tuple[Effect, ...] = ()


def paths(path: Path, longest: int) -> Iterator[Path]:
    yield path
    if longest:
        for given in Input:
            if (path.states[-1], given) in TRANSITIONS:
                effects, following = step(path.states[-1], given)
                yield from paths(Path((*path.states, following), path.effects + effects), longest - 1)


PATHS: Final = [path for state in State for path in paths(Path((state,)), 4)]


def times(path: Path, *effects: Effect) -> int:
    return sum(path.effects.count(effect) for effect in effects)


# -- cells --


@pytest.mark.parametrize("given", Input, ids=lambda given: given.name)
@pytest.mark.parametrize("state", State, ids=lambda state: state.name)
def test_every_cell_is_a_transition_or_declared_a_bug(state: State, given: Input) -> None:
    if (state, given) in TRANSITIONS:
        assert step(state, given) == TRANSITIONS[state, given]
    else:
        with pytest.raises(InternalError, match=f"{given.name} .* {state.name}$"):
            step(state, given)


def test_effects_are_reported_in_the_order_that_owner_and_kernel_need() -> None:
    for (state, given), (effects, _) in TRANSITIONS.items():
        order = [effect for effect in effects if effect not in DEADLINES]
        if Effect.FREE in order:
            assert order[-1] is Effect.FREE, (state, given)
        if Effect.FORGET in order:
            behind = order[order.index(Effect.FORGET) + 1 :]
            assert behind in ([], [Effect.FREE]), (state, given)  # the duplicate must outlive the FIN or the reset


def test_closed_is_absorbing() -> None:
    assert not [given for state, given in TRANSITIONS if state is State.CLOSED]


def test_a_deadline_can_pass_exactly_where_one_was_started() -> None:
    finished_by_peer = {State.HALF_CLOSED_READ, State.HALF_CLOSED_READ_FINISHING}
    assert {state for state, given in TRANSITIONS if given is Input.DEADLINE} == CLOSED_BY_OWNER | finished_by_peer
    for (state, given), (effects, following) in TRANSITIONS.items():
        started = [effect for effect in effects if effect in DEADLINES]
        if following is State.LINGERING and state is not State.LINGERING:
            assert started == [Effect.AWAIT_END], (state, given)
        elif following is State.CUT_OFF:
            assert started == [Effect.AWAIT_RESET], (state, given)
        elif following in CLOSED_BY_OWNER and state in OWNED:
            assert started == [Effect.AWAIT_FLUSH], (state, given)
        elif following in finished_by_peer and state is not following:
            unsent = following is State.HALF_CLOSED_READ_FINISHING
            assert started == [Effect.AWAIT_FLUSH if unsent else Effect.AWAIT_ANSWER], (state, given)
        else:
            assert started == [], (state, given)


def test_where_it_matters_what_was_acknowledged_a_loss_is_always_told() -> None:
    told = {State.LINGERING: Effect.LOG_LOST, State.HALF_CLOSED_READ: Effect.REPORT_ERROR}
    for given, states in (
        (Input.RESET_UNDELIVERED, {State.LINGERING}),
        (Input.DEADLINE_UNDELIVERED, {State.LINGERING, State.HALF_CLOSED_READ}),
    ):
        rows = {state: effects for (state, at), (effects, _) in TRANSITIONS.items() if at is given}
        assert set(rows) == states
        assert all(told[state] in effects for state, effects in rows.items())


def test_an_owner_can_close_and_abort_with_and_without_bytes_unsent() -> None:
    for state in OWNED:
        # With the write half finished or broken nothing can be unsent; while it finishes, something always is.
        unsent = Input.FLUSHED in {given for at, given in TRANSITIONS if at is state}
        nothing_unsent = not state.name.endswith("FINISHING")
        assert ((state, Input.CLOSE) in TRANSITIONS) == nothing_unsent == ((state, Input.ABORT) in TRANSITIONS)
        assert ((state, Input.CLOSE_UNSENT) in TRANSITIONS) == unsent
        assert ((state, Input.ABORT_BY_RESET) in TRANSITIONS) == (state is not State.WRITE_BROKEN)
        assert unsent or nothing_unsent
    assert (State.CONNECTING, Input.ABORT) in TRANSITIONS


def test_nothing_can_be_asked_of_a_connection_that_was_closed() -> None:
    asked = {Input.FINISH, Input.FINISH_UNSENT, Input.STOP_READING, Input.CLOSE, Input.CLOSE_UNSENT}
    asked |= {Input.ABORT, Input.ABORT_BY_RESET, Input.BREAK}
    assert not [cell for cell in TRANSITIONS if cell[0] in CLOSED_BY_OWNER and cell[1] in asked]


def test_a_limit_that_is_passed_is_a_reset_of_which_the_owner_is_told() -> None:
    broken = {state: row for (state, given), row in TRANSITIONS.items() if given is Input.BREAK}
    assert set(broken) == OWNED - {State.READ_STOPPED_FINISHING}  # nothing is read there, and nothing can be written
    for state, (effects, following) in broken.items():
        told = Effect.REPORT_ERROR if state in READ_HALF_REPORTED else Effect.REPORT_RESET
        assert following is State.CLOSED
        assert told in effects, state
        assert (Effect.FORCE_RESET in effects) == (state is not State.WRITE_BROKEN), state


def test_aborting_with_bytes_unsent_always_resets() -> None:
    for (state, given), (effects, following) in TRANSITIONS.items():
        if given is Input.ABORT_BY_RESET:
            assert Effect.FORCE_RESET in effects, state
            assert following is State.CLOSED


def test_bytes_without_an_owner_are_never_lost_in_silence() -> None:
    for (state, given), (effects, following) in TRANSITIONS.items():
        if state in (State.CLOSING, State.CLOSING_HALF_CLOSED) and following is State.CLOSED:
            assert (Effect.LOG_LOST in effects) == (given is not Input.FLUSHED), (state, given)


def test_input_is_delivered_discarded_or_cannot_come() -> None:
    assert {State.OPEN, State.FINISHING, State.HALF_CLOSED_WRITE, State.WRITE_BROKEN} == DELIVERING
    assert {State.READ_STOPPED, State.READ_STOPPED_FINISHING, State.CLOSING, State.LINGERING} == DISCARDING
    for state in State:
        effects = TRANSITIONS.get((state, Input.DATA), ((), None))[0]
        assert effects == ((Effect.REPORT_DATA,) if state in DELIVERING else ())
        assert ((state, Input.DATA) in TRANSITIONS) == (state in DELIVERING | DISCARDING)


def test_behind_the_peers_end_nothing_is_read_again() -> None:
    ended = {following for (_, given), (_, following) in TRANSITIONS.items() if given in (Input.EOF, Input.RESET)}
    assert not ended & (DELIVERING | DISCARDING)


def test_bytes_may_go_out_until_our_fin_or_a_failed_write() -> None:
    assert set(State) - WRITABLE == FIN_SENT | {State.CONNECTING, State.WRITE_BROKEN, State.CLOSED}
    for state in State:
        assert (state in WRITABLE) == ((state, Input.FLUSHED) in TRANSITIONS)


# -- paths of four inputs, from every state --


def test_the_end_of_input_is_reported_at_most_once() -> None:
    for path in PATHS:
        assert times(path, *CLOSE) <= (path.states[0] not in READ_HALF_REPORTED), path


def test_no_input_is_reported_behind_its_end() -> None:
    for path in PATHS:
        ends = [index for index, effect in enumerate(path.effects) if effect in CLOSE]
        if ends or path.states[0] in READ_HALF_REPORTED:
            assert Effect.REPORT_DATA not in path.effects[ends[0] if ends else 0 :], path


def test_the_owner_is_told_once_to_forget_it_before_it_ends() -> None:
    for path in PATHS:
        was_reported = bool(OWNED & set(path.states)) or path.states[0] in CLOSED_BY_OWNER - {State.LINGERING}
        forgotten = times(path, Effect.FORGET)
        assert forgotten <= was_reported, path
        if path.states[-1] is State.CLOSED and path.states[0] is not State.CLOSED:
            assert forgotten == was_reported, path


def test_nothing_is_reported_behind_forget() -> None:
    for path in PATHS:
        if Effect.FORGET in path.effects:
            assert not REPORTS & set(path.effects[path.effects.index(Effect.FORGET) + 1 :]), path
        if path.states[0] is State.LINGERING:
            assert not REPORTS & set(path.effects), path


def test_the_descriptor_is_freed_once_and_exactly_on_entering_closed() -> None:
    for path in PATHS:
        entered = path.states[-1] is State.CLOSED and path.states[0] is not State.CLOSED
        assert times(path, Effect.FREE) == entered, path
        assert not entered or path.effects[-1] is Effect.FREE, path


def test_our_fin_is_sent_at_most_once_and_never_on_a_freed_descriptor() -> None:
    for path in PATHS:
        assert times(path, Effect.SEND_FIN) <= (path.states[0] not in FIN_SENT), path
        if Effect.FREE in path.effects:
            assert Effect.SEND_FIN not in path.effects[path.effects.index(Effect.FREE) :], path


@pytest.mark.parametrize("state", set(State) - {State.CLOSED}, ids=lambda state: state.name)
def test_every_connection_can_come_to_its_end(state: State) -> None:
    assert any(path.states[0] is state and path.states[-1] is State.CLOSED for path in PATHS)


# -- histories of any length --


def facts_of_every_history() -> dict[State, set[frozenset[tuple[Effect, int]]]]:
    """Count, for each state, how often each effect may have happened before (2: twice or more)."""
    known: dict[State, set[frozenset[tuple[Effect, int]]]] = {state: set() for state in State}
    todo: list[tuple[State, Counter[Effect]]] = [(State.CONNECTING, Counter()), (State.OPEN, Counter())]
    while todo:
        state, before = todo.pop()
        facts = frozenset(before.items())
        if facts not in known[state]:
            known[state].add(facts)
            for given in Input:
                if (state, given) in TRANSITIONS:
                    effects, following = step(state, given)
                    after = Counter({effect: min(2, count) for effect, count in (before + Counter(effects)).items()})
                    todo.append((following, after))
    return known


HISTORIES: Final = {
    state: [Counter(dict(facts)) for facts in every] for state, every in facts_of_every_history().items()
}


@pytest.mark.parametrize("state", State, ids=lambda state: state.name)
def test_however_it_came_there_a_state_means_the_same(state: State) -> None:
    assert HISTORIES[state], "no connection can get there"
    for facts in HISTORIES[state]:
        closes = sum(facts[effect] for effect in CLOSE)
        assert closes <= 1
        assert facts[Effect.REPORT_ERROR] <= 1
        assert facts[Effect.SEND_FIN] <= 1
        if state is State.CLOSED:
            failed_to_open = facts[Effect.REPORT_FAILED] or facts == Counter([Effect.FREE])
            assert facts[Effect.FREE] == 1
            assert facts[Effect.FORGET] == (not failed_to_open)
        else:
            assert facts[Effect.FREE] == facts[Effect.FORCE_RESET] == facts[Effect.LOG_LOST] == 0
            assert facts[Effect.FORGET] == (state is State.LINGERING)
            assert facts[Effect.SEND_FIN] == (state in FIN_SENT)
        if state in OWNED:
            assert closes == (state in READ_HALF_REPORTED)
            assert facts[Effect.REPORT_ERROR] == (state is State.WRITE_BROKEN)


def test_a_connection_ends_by_our_fin_by_a_reset_or_with_an_error_told() -> None:
    ended = {Effect.SEND_FIN, Effect.FORCE_RESET, Effect.REPORT_RESET, Effect.REPORT_ERROR, Effect.LOG_LOST}
    for facts in HISTORIES[State.CLOSED]:
        assert not facts[Effect.FORGET] or ended & set(facts), facts  # else the kernel would end it with a clean FIN


def test_an_owner_is_told_of_every_error() -> None:
    for (state, given), (effects, _) in TRANSITIONS.items():
        if state in OWNED and given in (Input.RESET, Input.WRITE_FAILED):
            told = Effect.REPORT_ERROR if state in READ_HALF_REPORTED or given is Input.WRITE_FAILED else CLOSE[1]
            assert told in effects, (state, given)


# -- the diagram --


def test_the_diagram_shows_every_state_and_every_change_of_state() -> None:
    first, *arrows = to_mermaid().splitlines()
    assert first == "stateDiagram-v2"
    expected = {"[*] --> CONNECTING": {"connect"}, "[*] --> OPEN": {"accept"}}
    for (state, given), (_, following) in TRANSITIONS.items():
        if state is not following:
            expected.setdefault(f"{state.name} --> {following.name}", set()).add(given.name)
    drawn = [arrow.strip().split(": ") for arrow in arrows]
    assert {arrow: set(names.split(", ")) for arrow, names in drawn} == expected
    assert len(drawn) == len(expected)
    assert all(any(state.name in arrow.split() for arrow in expected) for state in State)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_the_diagram_in_the_documentation_is_drawn_from_the_table(document: pathlib.Path) -> None:
    assert BLOCK.findall(document.read_text()) == [to_mermaid()]
