"""Actor addresses: numbers that are printed as skynet prints its handles."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skypy.core.address import LAST_INDEX, format_address, make_address, parse_address, process_number_of

process_numbers = st.integers(1, (1 << 40) - 1) | st.integers(1, 300)
indexes = st.integers(1, LAST_INDEX)


def test_an_address_is_printed_as_skynet_prints_its_handles() -> None:
    assert format_address(make_address(1, 10)) == ":0100000a"
    assert format_address(make_address(256, 1)) == ":100000001"


@given(process_numbers, indexes)
def test_an_address_tells_its_process_and_survives_being_printed(process: int, index: int) -> None:
    address = make_address(process, index)
    assert process_number_of(address) == process
    assert parse_address(format_address(address)) == address


@given(st.tuples(process_numbers, indexes), st.tuples(process_numbers, indexes))
def test_no_two_actors_have_the_same_address(one: tuple[int, int], other: tuple[int, int]) -> None:
    assert (make_address(*one) == make_address(*other)) == (one == other)


@pytest.mark.parametrize(("process", "index"), [(0, 1), (-1, 1), (1, 0), (1, -1), (1, LAST_INDEX + 1)])
def test_numbers_outside_of_their_range_make_no_address(process: int, index: int) -> None:
    with pytest.raises(ValueError, match=f"{process} .* {index}$"):
        make_address(process, index)


def test_the_last_index_is_still_one() -> None:
    assert make_address(1, LAST_INDEX) == 0x01FFFFFF


def test_capital_digits_are_digits() -> None:
    assert parse_address(":0100000A") == 0x0100000A


@pytest.mark.parametrize("text", ["", ":", ".name", "0100000a", ":100000a", "::0100000a", ":0100000g", ":0100_00a"])
def test_other_text_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match='":0100000a"'):
        parse_address(text)


@pytest.mark.parametrize("text", [":0100000a ", ":0100000a\n", ": 100000a", ":-100000a", ":0x00000a", ":" + "0" * 17])
def test_other_forms_of_numbers_are_refused_and_quoted(text: str) -> None:
    with pytest.raises(ValueError, match="is not an address") as raised:
        parse_address(text)
    assert f'"{text}"' in str(raised.value)
