"""The function that handles a command, and its arguments."""

from typing import Any

import skypy
from tests.actors.scenarios import Others, here, raises
from tests.actors.scenarios import play as play_scenario


@skypy.command
async def play(name: str, placement: str) -> dict[str, Any]:
    return await play_scenario(__name__, name, placement)


class Counter:
    """A class whose methods are commands, which may be any callable."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, number: int = 1, /) -> int:
        self.count += number
        return self.count


counter = Counter()


@skypy.command
def plain(*args: Any, **kwargs: Any) -> Any:
    return [args, kwargs]


@skypy.command
async def coroutine(*args: Any, **kwargs: Any) -> Any:
    await skypy.sleep(0)
    return [args, kwargs]


@skypy.command("set")
def put(key: str, value: object = None) -> object:
    return [key, value]


@skypy.command("a name with spaces, and ünïcode")
def oddly_named() -> str:
    return "oddly named"


@skypy.command
def install() -> None:
    """Give unknown commands to one function from here on."""
    skypy.dispatch(dispatched)


@skypy.command
async def install_coroutine() -> None:
    skypy.dispatch(dispatched_later)


def dispatched(source: int, command: str, /, *args: Any, **kwargs: Any) -> Any:
    return [source == skypy.source(), command, args, kwargs]


async def dispatched_later(source: int, command: str, /, *args: Any, **kwargs: Any) -> Any:
    await skypy.sleep(0)
    return dispatched(source, command, *args, **kwargs)


@skypy.command
def bare(one: int, two: int = 2, *, three: int = 3) -> list[int]:
    return [one, two, three]


async def test_plain_functions_and_coroutine_functions_get_their_arguments(others: Others) -> None:
    other = await others.start("commands")
    for command in ("plain", "coroutine"):
        assert await skypy.call(other, command) == [[], {}]
        assert await skypy.call(other, command, 1, "two", x=[3]) == [[1, "two"], {"x": [3]}]


async def test_keywords_may_be_called_as_the_parameters_of_call_are(others: Others) -> None:
    other = await others.start("commands")
    names = {"address": 1, "command": 2, "args": 3, "kwargs": 4, "source": 5, "self": 6, "target": 7}
    assert await skypy.call(other, "plain", **names) == [[], names]
    await skypy.call(other, "install")
    assert await skypy.call(other, "anything", **names) == [True, "anything", [], names]


async def test_a_command_has_the_name_that_it_was_given(others: Others) -> None:
    other = await others.start("commands")
    assert await skypy.call(other, "set", "key") == ["key", None]
    assert await skypy.call(other, "set", "key", value=1) == ["key", 1]
    assert await skypy.call(other, "a name with spaces, and ünïcode") == "oddly named"
    error = await raises(skypy.RemoteError, skypy.call(other, "put", "key"))
    assert error.type_name == "LookupError"


async def test_an_unknown_command_is_the_callers_error_and_names_the_known_ones(others: Others) -> None:
    other = await others.start("commands")
    error = await raises(skypy.RemoteError, skypy.call(other, "plane", 1))
    assert error.type_name == "LookupError"
    assert f'commands@{other:08x} has no command "plane" (it has: a name with spaces' in error.text
    assert "plain" in error.text


async def test_arguments_that_do_not_fit_are_the_callers_error(others: Others) -> None:
    other = await others.start("commands")
    assert await skypy.call(other, "bare", 1, three=4) == [1, 2, 4]
    for args, kwargs in (((), {}), ((1, 2, 3), {}), ((1,), {"four": 4}), ((1,), {"one": 1})):
        error = await raises(skypy.RemoteError, skypy.call(other, "bare", *args, **kwargs))
        assert error.type_name == "TypeError"
        assert "bare()" in error.text


async def test_dispatch_handles_what_has_no_function_of_its_own(others: Others) -> None:
    other = await others.start("commands")
    for install in ("install", "install_coroutine"):
        await skypy.call(other, install)
        assert await skypy.call(other, "unknown", 1, x=2) == [True, "unknown", [1], {"x": 2}]
        assert await skypy.call(other, "", 1) == [True, "", [1], {}]
        assert await skypy.call(other, "set", "key") == ["key", None]


async def test_a_command_of_the_service_is_not_replaced_by_a_decorator_that_runs_later(others: Others) -> None:
    del others
    assert skypy.command(put) is put
    assert skypy.command("plain")(put) is put
    assert here().actors[skypy.self()].commands["plain"] is plain


async def test_any_callable_can_dispatch(others: Others) -> None:
    del others
    skypy.dispatch(lambda source, command, /, *args: counter.add(*args))
    assert await skypy.call(skypy.self(), "add") == 1
    assert await skypy.call(skypy.self(), "add", 2) == 3


async def test_two_functions_for_one_command_fail_the_start(others: Others) -> None:
    error = await raises_service_error(others, "broken/twice")
    assert 'the service has two functions for the command "get"' in str(error)
    error = await raises_service_error(others, "broken/two_starts")
    assert "a service has one" in str(error)


async def raises_service_error(others: Others, name: str) -> skypy.ServiceError:
    try:
        await others.start(name)
    except skypy.ServiceError as error:
        return error
    raise AssertionError("it has started")
