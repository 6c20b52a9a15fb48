"""Calls in flight: each ends once, by the actor that was asked."""

from hypothesis import given
from hypothesis import strategies as st

from skypy.core.address import make_address
from skypy.core.sessions import Sessions

FIRST, SECOND, FAR = make_address(1, 1), make_address(1, 2), make_address(2, 1)


def test_an_answer_of_the_actor_that_was_asked_ends_a_session_once() -> None:
    sessions: Sessions[str] = Sessions()
    session = sessions.open(FIRST, "waiting")
    assert len(sessions) == 1
    assert session in sessions
    assert sessions.answered(session, FIRST) == "waiting"
    assert session not in sessions
    assert sessions.answered(session, FIRST) is None
    assert (len(sessions), sessions.late) == (0, 1)


def test_an_answer_of_another_actor_is_late_and_ends_nothing() -> None:
    sessions: Sessions[str] = Sessions()
    session = sessions.open(FIRST, "waiting")
    for stranger in (SECOND, FAR, 0):
        assert sessions.answered(session, stranger) is None
    assert sessions.late == 3
    assert sessions.answered(session, FIRST) == "waiting"


def test_an_answer_to_a_session_that_never_was_is_late() -> None:
    sessions: Sessions[str] = Sessions()
    session = sessions.open(FIRST, "waiting")
    for number in (0, -1, session + 1):
        assert sessions.answered(number, FIRST) is None
    assert (len(sessions), sessions.late) == (1, 3)


def test_giving_up_is_harmless_at_any_time() -> None:
    sessions: Sessions[str] = Sessions()
    session = sessions.open(FIRST, "waiting")
    sessions.close(session)
    sessions.close(session)
    assert sessions.answered(session, FIRST) is None
    other = sessions.open(FIRST, "other")
    assert sessions.answered(other, FIRST) == "other"
    sessions.close(other)
    assert sessions.late == 1


def test_the_death_of_a_process_ends_all_sessions_with_it_and_no_other() -> None:
    sessions: Sessions[str] = Sessions()
    opened = [sessions.open(peer, str(number)) for number, peer in enumerate((FIRST, FAR, SECOND, FAR))]
    assert list(sessions.of_process(2)) == [(FAR, "1"), (FAR, "3")]
    assert list(sessions.of_process(2)) == []
    assert len(sessions) == 2
    assert sessions.answered(opened[0], FIRST) == "0"


def test_a_task_that_learns_of_a_death_may_give_up_sessions_and_open_new_ones() -> None:
    sessions: Sessions[str] = Sessions()
    opened = [sessions.open(FAR, str(number)) for number in range(4)]
    told = []
    for _, waiting in sessions.of_process(2):
        told.append(waiting)
        sessions.close(opened[2])
        if len(told) == 1:
            late = sessions.open(FAR, "opened meanwhile")
    assert told == ["0", "1", "3"]
    assert len(sessions) == 1
    assert late in sessions


@given(st.lists(st.tuples(st.sampled_from(["open", "close", "answer", "stranger", "death"]), st.integers(0, 9))))
def test_every_session_ends_exactly_once(steps: list[tuple[str, int]]) -> None:
    sessions: Sessions[int] = Sessions()
    opened: dict[int, int] = {}
    ended: list[int] = []
    live: set[int] = set()
    for verb, number in steps:
        session = list(opened)[number % len(opened)] if opened else 0
        peer = opened.get(session, FIRST)
        if verb == "open":
            peer = (FIRST, SECOND, FAR)[number % 3]
            session = sessions.open(peer, len(opened))
            assert session not in opened
            opened[session] = peer
            live.add(session)
        elif verb == "close":
            sessions.close(session)
            if session in live:
                live.remove(session)
                ended.append(session)
        elif verb == "answer":
            assert (sessions.answered(session, peer) is not None) is (session in live)
            if session in live:
                live.remove(session)
                ended.append(session)
        elif verb == "stranger":
            assert sessions.answered(session, peer + 5) is None
        else:
            far = [one for one in live if opened[one] == FAR]
            assert len(list(sessions.of_process(2))) == len(far)
            live.difference_update(far)
            ended += far
        assert len(sessions) == len(live)
    assert len(ended) == len(set(ended))
