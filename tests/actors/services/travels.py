"""Values that messages carry: as argument, as keyword argument and as reply."""

import asyncio
from collections import Counter, OrderedDict
from datetime import UTC, datetime, timedelta
from typing import Any

import skypy
from tests.actors.scenarios import Others, raises
from tests.actors.scenarios import play as play_scenario
from tests.actors.values import NOON, Level, Moment, Number, Pair, Raw, Real, Text, nested, plain_values

kept: list[Any] = []


@skypy.command
async def play(name: str, placement: str) -> dict[str, Any]:
    return await play_scenario(__name__, name, placement)


@skypy.command
def echo(*args: Any, **kwargs: Any) -> Any:
    return [*args, *kwargs.values()]


@skypy.command
def types_of(*args: Any) -> list[str]:
    return [type(arg).__name__ for arg in args]


@skypy.command
def keep(value: Any) -> Any:
    kept.append(value)
    return value


@skypy.command
def spoil() -> None:
    for value in kept:
        value.append("spoilt by the callee")


@skypy.command
def what_is_kept() -> list[Any]:
    return kept


@skypy.command
def make(kind: str) -> Any:
    """Return a value that only comes into being here."""
    return dict(plain_values())[kind]


# -- scenarios ---------------------------------------------------------------------------------------------------------


async def test_values_arrive_as_they_are(others: Others) -> None:
    other = await others.start("travels")
    for name, value in plain_values():
        for answer in (
            (await skypy.call(other, "echo", value))[0],
            (await skypy.call(other, "echo", key=value))[0],
            await skypy.call(other, "keep", value),
            await skypy.call(other, "make", name),
        ):
            assert answer == value, name
            assert type(answer) is type(value), name


async def test_values_may_be_64_deep(others: Others) -> None:
    other = await others.start("travels")
    assert await skypy.call(other, "keep", nested(64)) == nested(64)
    assert await skypy.call(other, "keep", value=nested(64)) == nested(64)
    await raises(ValueError, skypy.call(other, "keep", nested(65)))
    await raises(ValueError, skypy.call(other, "keep", value=nested(65)))
    await raises(skypy.RemoteError, skypy.call(other, "echo", nested(64)))  # it comes back in a list


async def test_booleans_and_numbers_stay_apart(others: Others) -> None:
    other = await others.start("travels")
    answer = await skypy.call(other, "echo", True, 1, 1.0, [False, 0, 0.0], {True: 1})
    assert list(map(type, answer)) == [bool, int, float, list, dict]
    assert list(map(type, answer[3])) == [bool, int, float]
    assert type(next(iter(answer[4]))) is bool


async def test_not_a_number_arrives(others: Others) -> None:
    other = await others.start("travels")
    (answer,) = await skypy.call(other, "echo", float("nan"))
    assert answer != answer


async def test_a_subclass_of_a_plain_type_arrives_as_the_plain_type(others: Others) -> None:
    other = await others.start("travels")
    values = [
        (Text("ascii"), "ascii"),
        (Text("ünï"), "ünï"),
        (Number(7), 7),
        (Real(2.5), 2.5),
        (Raw(b"raw"), b"raw"),
        (Level.HIGH, 3),
        (Pair(1, 2), [1, 2]),
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (Counter("aab"), {"a": 2, "b": 1}),
        ((1, (2, ())), [1, [2, []]]),
        (bytearray(b"array"), b"array"),
        (memoryview(b"view"), b"view"),
        (memoryview(bytearray(8)).cast("i"), bytes(8)),
        (Moment(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)),
        ([Text("x"), {Text("k"): Number(1)}], ["x", {"k": 1}]),
        ({Level.HIGH: (1,)}, {3: [1]}),
    ]
    for value, expected in values:
        (answer,) = await skypy.call(other, "echo", value)
        assert answer == expected
        assert type(answer) is type(expected)
        assert await skypy.call(other, "types_of", value) == [type(expected).__name__]
    (answer,) = await skypy.call(other, "echo", [Text("x"), {Text("k"): Number(1)}])
    assert list(map(type, [answer[0], *answer[1], *answer[1].values()])) == [str, str, int]


async def test_datetimes_arrive_in_utc(others: Others) -> None:
    other = await others.start("travels")
    (answer,) = await skypy.call(other, "echo", NOON)
    assert answer == NOON
    assert answer.utcoffset() == timedelta(0)
    assert answer.microsecond == 123456


async def test_dicts_keep_their_order(others: Others) -> None:
    other = await others.start("travels")
    keys = [str(number * 7919 % 101) for number in range(101)]
    (answer,) = await skypy.call(other, "echo", dict.fromkeys(keys))
    assert list(answer) == keys


async def test_both_sides_have_a_copy_of_their_own(others: Others) -> None:
    other = await others.start("travels")
    value: list[Any] = [1]
    answer = await skypy.call(other, "keep", value)
    assert answer == [1]
    assert answer is not value
    value.append("spoilt by the caller")
    answer.append("spoilt by the caller")
    assert await skypy.call(other, "what_is_kept") == [[1]]
    await skypy.call(other, "spoil")
    assert value == [1, "spoilt by the caller"]


async def test_the_copy_is_made_when_the_message_is_sent(others: Others) -> None:
    other = await others.start("travels")
    value: list[Any] = [1]
    array = bytearray(b"sent")
    skypy.send(other, "keep", value)
    skypy.send(other, "keep", array)
    call = asyncio.create_task(skypy.call(other, "keep", value))
    await asyncio.sleep(0)
    value.clear()
    array[:] = b"late"
    assert await call == [1]
    assert await skypy.call(other, "what_is_kept") == [[1], b"sent", [1]]


async def test_one_list_sent_twice_is_two_at_the_receiver(others: Others) -> None:
    other = await others.start("travels")
    value: list[Any] = []
    first, second = await skypy.call(other, "append_to_first", value, value)
    assert (first, second, value) == ([1], [], [])


@skypy.command
def append_to_first(first: list[int], second: list[int]) -> list[list[int]]:
    first.append(1)
    return [first, second]
