"""The words of the lanes: no number is used twice in a direction, and each number stands in its range, in order."""

from __future__ import annotations

from types import ModuleType

import pytest

from skypy.core.wire import bus, control_lane, socket_lane

NOT_WORDS = {"HALF_SENT", "HIGH", "LOW", "SERVICE_GONE", "WRITE_SIZE_LIMIT", "OVERHEAD_BYTES", "SMALL"}


def words(module: ModuleType) -> dict[str, int]:
    """The words of a lane with their numbers, in the order of the file."""
    return {
        name: value
        for name, value in vars(module).items()
        if name.isupper() and type(value) is int and name not in NOT_WORDS
    }


@pytest.mark.parametrize("lane", [socket_lane, control_lane, bus])
def test_no_number_means_two_things_and_numbers_rise(lane: ModuleType) -> None:
    numbers = list(words(lane).values())
    assert len(numbers) >= 7
    assert numbers == sorted(set(numbers))


def test_a_number_tells_the_direction() -> None:
    for name, number in words(socket_lane).items():
        assert number >= 65 if name.startswith("SOCKET_") else 1 <= number <= 63, name
    from_children = {"READY", "LAUNCHED", "LAUNCH_FAILED", "ASK", "ACTOR_BORN", "ACTOR_ENDED"}
    from_children |= {"RESERVATION_UNUSED", "QUERY_PROCESS", "SHUT_DOWN_NODE"}
    assert from_children <= words(control_lane).keys()
    for name, number in words(control_lane).items():
        assert 33 <= number <= 63 if name in from_children else 1 <= number <= 31, name


def test_every_verb_of_a_question_has_its_own_name() -> None:
    verbs = [value for name, value in vars(control_lane).items() if name.isupper() and isinstance(value, str)]
    assert len(verbs) == len(set(verbs)) == 10
