"""Classes that messages have been taught to carry."""

from typing import Any

import skypy
from tests.actors import points
from tests.actors.scenarios import Others, process_of, raises
from tests.actors.scenarios import play as play_scenario
from tests.actors.values import Unregistered


@skypy.command
async def play(name: str, placement: str) -> dict[str, Any]:
    return await play_scenario(__name__, name, placement)


@skypy.command
def echo(*args: Any, **kwargs: Any) -> Any:
    return [*args, *kwargs.values()]


@skypy.command
def types_of(*args: Any) -> list[str]:
    return [type(arg).__name__ for arg in args]


async def test_a_registered_class_arrives_as_itself(others: Others) -> None:
    other = await others.start("registered")
    point = points.Point(1, -2)
    (answer,) = await skypy.call(other, "echo", point)
    assert answer == point
    assert type(answer) is points.Point
    assert answer is not point
    assert (await skypy.call(other, "echo", {"a": [point, (point,)]}))[0] == {"a": [point, [point]]}


async def test_a_registered_class_may_be_derived_from_a_plain_one(others: Others) -> None:
    other = await others.start("registered")
    for value in (points.Place(1, 2), points.Unit.METRE, points.Derived(3, 4)):
        (answer,) = await skypy.call(other, "echo", value)
        assert answer == value
        assert await skypy.call(other, "types_of", [value]) == ["list"]
    assert await skypy.call(other, "types_of", points.Place(1, 2), points.Unit.METRE) == ["Place", "Unit"]
    # What is derived from a registered class arrives as that.
    assert await skypy.call(other, "types_of", points.Derived(3, 4)) == ["Point"]


async def test_a_class_that_cannot_be_unpacked_is_the_callers_error_in_both_directions(others: Others) -> None:
    other = await others.start("registered")
    error = await raises(skypy.RemoteError, skypy.call(other, "echo", points.Broken()))
    assert "it is broken" in error.text
    error = await raises(skypy.RemoteError, skypy.call(other, "make_broken"))
    assert "it is broken" in error.text
    assert await skypy.call(other, "echo", 1) == [1]


@skypy.command
def make_broken() -> Any:
    return points.Broken()


async def test_a_class_that_the_other_worker_does_not_know_is_the_callers_error(others: Others) -> None:
    other = await others.start("registered")
    skypy.register_type(Unregistered, 120, lambda value: bytes([value.x]), lambda data: Unregistered(data[0]))
    if process_of(other) == process_of(skypy.self()):
        assert await skypy.call(other, "types_of", Unregistered(1)) == ["Unregistered"]
    else:
        error = await raises(skypy.RemoteError, skypy.call(other, "types_of", Unregistered(1)))
        assert "no type is registered with code 120 in this worker" in error.text
    assert await skypy.call(other, "echo", 1) == [1]


async def test_a_start_argument_may_be_of_a_class_that_the_service_registers(others: Others) -> None:
    skypy.register_type(points.Late, 21, lambda late: bytes([late.number]), lambda data: points.Late(data[0]))
    other = await others.start("own_type", points.Late(7))
    assert await skypy.call(other, "given") == 7


async def test_an_argument_that_cannot_be_unpacked_fails_a_start(others: Others) -> None:
    where = others.where()
    error = await raises(skypy.ServiceError, skypy.newservice("own_type", points.Broken(), worker=where))
    assert "it is broken" in str(error)
