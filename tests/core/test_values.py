"""The values that a message may carry, and the equivalence of shared and packed ones."""

from __future__ import annotations

import contextlib
import math
from datetime import UTC, datetime, timedelta, timezone
from enum import IntEnum
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skypy.core.errors import MalformedFrame
from skypy.core.wire import values
from skypy.core.wire.values import (
    LARGEST_BYTES,
    may_be_shared,
    pack_arguments,
    pack_value,
    register_type,
    unpack_arguments,
    unpack_value,
)
from tests.actors.points import Broken, Derived, Place, Point, Unit, Unpackable
from tests.actors.values import bad_values, nested, plain_values


def copy_value(value: Any) -> Any:
    """Return what the receiver of a message in the same worker gets."""
    return value if may_be_shared(value) else unpack_value(pack_value(value))


class Text(str):
    __slots__ = ()


class Pair(NamedTuple):
    left: Any
    right: Any


class Level(IntEnum):
    LOW = 1
    HIGH = (1 << 64) - 1


class Moment(datetime):
    pass


zones = st.one_of(
    st.just(UTC),
    st.builds(timezone, st.timedeltas(timedelta(hours=-23, minutes=-59), timedelta(hours=23, minutes=59))),
)
moments = st.datetimes(timezones=st.one_of(st.none(), zones))
integers = st.one_of(
    st.integers(-(1 << 65), 1 << 66),
    st.sampled_from([-(1 << 63) - 1, -(1 << 63), (1 << 63) - 1, 1 << 63, (1 << 64) - 1, 1 << 64]),
)
texts = st.text(st.characters(codec=None), max_size=20)  # halves of characters included
scalars = st.one_of(
    st.none(),
    st.booleans(),
    integers,
    st.floats(),
    texts,
    st.binary(max_size=20),
    moments,
    texts.map(Text),
    st.binary(max_size=8).map(bytearray),
    st.binary(max_size=8).map(lambda data: memoryview(data)),
    st.sampled_from(Level),
    moments.map(lambda moment: Moment.combine(moment.date(), moment.timetz())),
)
odd = st.sampled_from(
    [
        object(),
        {1},
        1j,
        Point(1, 2),
        Place(1, 2),
        Unit.METRE,
        Derived(1, 2),
        Broken(),
        Unpackable(),
        memoryview(b"ab")[::2],
    ]
)
keys = st.one_of(
    texts, integers, st.floats(), st.binary(max_size=5), st.none(), st.booleans(), st.sampled_from(Level), moments
)
anything = st.recursive(
    st.one_of(scalars, odd),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(keys, inner, max_size=4),
        st.builds(Pair, inner, inner),
    ),
    max_leaves=12,
)


def outcome(function: Any, *args: Any) -> Any:
    """The result, as text with all types in it, or the type and text of the exception."""
    try:
        return shape(function(*args))
    except Exception as error:
        return type(error), str(error)


def shape(value: Any) -> Any:
    """Something that is equal for equal values of equal types only, also for not-a-number and the signs of zeros."""
    if isinstance(value, list):
        return list, [shape(item) for item in value]
    if isinstance(value, dict):
        return dict, [(shape(key), shape(item)) for key, item in value.items()]
    if isinstance(value, float):
        return float, "nan" if math.isnan(value) else value.hex()
    return type(value), value if value.__class__.__eq__ is not object.__eq__ else "some instance"


# -- properties --------------------------------------------------------------------------------------------------------


@given(anything)
def test_a_copy_is_what_packing_and_unpacking_makes_or_refuses(value: Any) -> None:
    assert outcome(copy_value, value) == outcome(lambda: unpack_value(pack_value(value)))


@given(scalars)
def test_a_value_that_may_be_shared_is_its_own_copy(value: Any) -> None:
    if may_be_shared(value):
        assert outcome(lambda: unpack_value(pack_value(value))) == shape(value)


@given(anything)
def test_packed_values_can_be_unpacked_and_only_type_and_value_errors_are_raised(value: Any) -> None:
    try:
        packed = pack_value(value)
    except (TypeError, ValueError):
        return
    with contextlib.suppress(LookupError):  # of a Broken
        again = unpack_value(packed)
        # What has arrived is plain: it travels again and does not change any more.
        assert shape(unpack_value(pack_value(again))) == shape(again)


@given(st.lists(anything, max_size=3), st.dictionaries(texts, anything, max_size=3))
def test_arguments_are_values_each(args: list[Any], kwargs: dict[str, Any]) -> None:
    separate = outcome(
        lambda: [[copy_value(value) for value in args], {key: copy_value(kwargs[key]) for key in kwargs}]
    )
    together = outcome(lambda: list(unpack_arguments(pack_arguments(args, kwargs))))
    if isinstance(together[1], list) or isinstance(separate[1], list):
        keys_are_texts = all(key == key.encode(errors="replace").decode() for key in kwargs)
        assert together == separate or not keys_are_texts


@given(st.binary(max_size=200))
def test_bytes_from_outside_are_a_value_or_malformed(data: bytes) -> None:
    with contextlib.suppress(MalformedFrame, LookupError):
        unpack_value(data)


# -- examples ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "value"), plain_values())
def test_plain_values_arrive_as_they_are(name: str, value: Any) -> None:
    del name
    for copy in (copy_value(value), unpack_value(pack_value(value))):
        assert copy == value
        assert type(copy) is type(value)


@pytest.mark.parametrize(("name", "value"), bad_values())
def test_everything_else_is_refused(name: str, value: Any) -> None:
    del name
    for attempt in (
        copy_value,
        pack_value,
        lambda value: pack_value([value]),
        lambda value: pack_arguments([], {"x": value}),
    ):
        with pytest.raises((TypeError, ValueError)):
            attempt(value)


def test_containers_may_be_64_deep_wherever_they_are() -> None:
    for wrap in (lambda value: [value], lambda value: (value,), lambda value: {"k": value}):
        assert unpack_value(pack_value(wrap(nested(63)))) is not None
        pack_arguments([wrap(nested(63))], {"x": wrap(nested(63))})
        with pytest.raises(ValueError, match="nested more than 64 deep"):
            pack_value(wrap(nested(64)))


def test_a_value_that_holds_itself_is_refused() -> None:
    circle: list[Any] = []
    ring = {"ring": circle}
    circle += [ring, ring]
    with pytest.raises(ValueError, match="one that holds itself"):
        pack_value(ring)


def test_a_message_has_a_largest_size() -> None:
    data = bytes(LARGEST_BYTES - 5)
    assert copy_value(data) == data
    for too_long in (data + b"x", [data], data.decode() + "x"):
        with pytest.raises(ValueError, match=f"bytes are too many for a message: it has at most {LARGEST_BYTES}"):
            copy_value(too_long)


def test_an_int_beyond_64_bits_says_so() -> None:
    for value in (1 << 64, -(1 << 63) - 1, [1 << 100], Level.HIGH + 1):
        with pytest.raises(ValueError, match="an int in a message has at most 64 bits"):
            pack_value(value)
    assert unpack_value(pack_value(Level.HIGH)) == (1 << 64) - 1


def test_after_a_refusal_the_next_value_is_packed_as_ever() -> None:
    for _, value in bad_values():
        with pytest.raises((TypeError, ValueError)):
            pack_value([1, 2, value])
        assert unpack_value(pack_value([1, 2])) == [1, 2]


# -- registered classes ------------------------------------------------------------------------------------------------


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Classes that this test registers are forgotten afterwards."""
    for table in ("_packers", "_unpackers"):
        monkeypatch.setattr(values._codec, table, dict(getattr(values._codec, table)))


class Money:
    def __init__(self, cents: int) -> None:
        self.cents = cents


def register_money(code: int, cls: type = Money) -> None:
    register_type(cls, code, lambda money: str(money.cents).encode(), lambda data: cls(int(data)))


@pytest.mark.usefixtures("registry")
def test_a_registered_class_travels() -> None:
    with pytest.raises(TypeError, match=r"a message cannot carry .*test_values\.Money$"):
        pack_value(Money(1))
    register_money(77)
    copy = copy_value([Money(5)])[0]
    assert type(copy) is Money
    assert copy.cents == 5


@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize("code", [-1, 128, 1 << 40])
def test_a_code_is_from_0_to_127(code: int) -> None:
    with pytest.raises(ValueError, match="from 0 to 127"):
        register_money(code)


@pytest.mark.usefixtures("registry")
def test_a_code_belongs_to_one_class_of_the_source() -> None:
    register_money(78)
    register_money(78)
    other = type("Money", (), {"__module__": "elsewhere"})
    with pytest.raises(ValueError, match=r"^code 78 belongs to .*test_values\.Money already$"):
        register_money(78, other)
    instance = [type("Money", (Money,), {"__module__": f"bank@0100000{number}"}) for number in (1, 2)]
    register_money(79, instance[0])
    register_money(79, instance[1])  # each instance of a service defines its own


@pytest.mark.usefixtures("registry")
def test_the_result_of_pack_must_be_bytes() -> None:
    register_type(Money, 80, lambda money: money.cents, lambda data: data)  # type: ignore[arg-type, return-value]
    with pytest.raises(TypeError):
        pack_value(Money(1))


def test_registered_classes_are_no_keys() -> None:
    for key in (Unit.METRE, Place(1, 2)):
        with pytest.raises(TypeError, match="cannot be a key of a dict in a message"):
            pack_value({key: 1})
