"""The names of actors, and unique services with the questions that wait for them."""

import pytest

from skypy.core.address import make_address
from skypy.core.errors import NameTaken
from skypy.core.names import Names, check_name

FIRST, SECOND, FAR = make_address(1, 1), make_address(1, 2), make_address(2, 1)


@pytest.fixture
def names() -> Names[str]:
    return Names()


def test_a_name_belongs_to_the_first_actor_that_registers_it(names: Names[str]) -> None:
    names.register(".a", FIRST)
    assert names.find(".a") == FIRST
    assert names.find(".b") is None
    with pytest.raises(NameTaken, match=r'^the name "\.a" belongs to :01000001$'):
        names.register(".a", SECOND)
    assert names.find(".a") == FIRST


def test_its_holder_may_register_a_name_again(names: Names[str]) -> None:
    names.register(".a", FIRST)
    names.register(".a", FIRST)
    assert names.find(".a") == FIRST


def test_all_names_of_an_actor_go_with_it_and_no_other(names: Names[str]) -> None:
    for name, address in ((".a", FIRST), (".b", SECOND), (".c", FIRST)):
        names.register(name, address)
    assert sorted(names.free(FIRST)) == [".a", ".c"]
    assert names.free(FIRST) == []
    assert names.find(".a") is None
    assert names.find(".b") == SECOND
    names.register(".a", SECOND)
    assert names.find(".a") == SECOND


def test_all_names_of_a_process_go_with_it(names: Names[str]) -> None:
    for name, address in ((".a", FIRST), (".b", SECOND), (".c", FAR)):
        names.register(name, address)
    assert sorted(names.free_process(1)) == [".a", ".b"]
    assert names.find(".c") == FAR


def test_a_new_worker_is_told_all_names(names: Names[str]) -> None:
    names.register(".a", FIRST)
    names.begin_unique("db")
    assert names.addresses == {".a": FIRST}
    names.unique_started("db", FAR)
    assert names.addresses == {".a": FIRST, "db": FAR}


def test_a_name_is_taken_from_the_actor_that_has_it_and_no_other(names: Names[str]) -> None:
    names.register(".a", FIRST)
    names.register(".b", FIRST)
    assert not names.withdraw(".a", SECOND)
    assert not names.withdraw(".c", FIRST)
    assert names.withdraw(".a", FIRST)
    names.register(".a", SECOND)
    assert names.free(FIRST) == [".b"]
    assert names.withdraw(".a", SECOND)
    assert names.free(SECOND) == []


@pytest.mark.parametrize("name", [".a", ".with spaces", ".ünï", "..", ".:0100000a"])
def test_a_name_begins_with_a_dot_and_is_printable(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize("name", ["", ".", "a", ":01000001", " .a", ".a\n", ".\x00", ".\ud800"])
def test_texts_that_cannot_be_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not a name"):
        check_name(name)


@pytest.mark.parametrize("name", [None, 1, b".a"])
def test_a_name_is_a_text(name: object) -> None:
    with pytest.raises(TypeError):
        check_name(name)  # type: ignore[arg-type]


def test_the_first_question_starts_a_unique_service_and_all_get_it(names: Names[str]) -> None:
    assert names.find("db") is None
    names.wait_for_unique("db", "first")
    assert names.begin_unique("db")
    names.wait_for_unique("db", "second")
    assert not names.begin_unique("db")
    assert names.find("db") is None
    assert names.unique_started("db", FAR) == ["first", "second"]
    assert names.find("db") == FAR
    assert not names.begin_unique("db")


def test_a_question_from_before_the_start_gets_it_as_well(names: Names[str]) -> None:
    names.wait_for_unique("db", "early")
    assert names.begin_unique("db")
    assert names.unique_started("db", FAR) == ["early"]


def test_after_a_failure_or_its_end_the_next_one_starts_it_again(names: Names[str]) -> None:
    names.wait_for_unique("db", "first")
    names.begin_unique("db")
    assert names.unique_failed("db") == ["first"]
    assert names.begin_unique("db")
    assert names.unique_started("db", FAR) == []
    names.free(FAR)
    assert names.find("db") is None
    assert names.begin_unique("db")


def test_the_end_of_others_does_not_touch_a_unique_service_that_is_starting(names: Names[str]) -> None:
    names.begin_unique("db")
    names.free(FIRST)
    names.free_process(1)
    assert not names.begin_unique("db")
    names.unique_started("db", FAR)
    names.free_process(1)
    assert names.find("db") == FAR
    names.free_process(2)
    assert names.find("db") is None
