"""Values that no message carries, and values that are too long for one."""

from typing import Any

import skypy
from tests.actors.scenarios import Others, raises
from tests.actors.scenarios import play as play_scenario
from tests.actors.values import bad_values

kept: list[Any] = []


@skypy.command
async def play(name: str, placement: str) -> dict[str, Any]:
    return await play_scenario(__name__, name, placement)


@skypy.command
def echo(*args: Any, **kwargs: Any) -> Any:
    return [*args, *kwargs.values()]


@skypy.command
def keep(value: Any) -> None:
    kept.append(value)


@skypy.command
def what_is_kept() -> list[Any]:
    return kept


@skypy.command
def make(kind: str) -> Any:
    """Return a value that only comes into being here."""
    return dict(bad_values())[kind]


async def test_values_that_no_message_carries_are_refused_at_the_sender(others: Others) -> None:
    other = await others.start("refusals")
    for name, value in bad_values():
        for attempt in (
            skypy.call(other, "keep", value),
            skypy.call(other, "keep", value=value),
            skypy.call(other, "echo", 1, [value]),
        ):
            error = await raises(Exception, attempt)
            assert isinstance(error, TypeError | ValueError), (name, error)
        try:
            skypy.send(other, "keep", value)
            raise AssertionError(f"{name} was sent")
        except (TypeError, ValueError):
            pass
    assert await skypy.call(other, "what_is_kept") == []


async def test_a_reply_that_no_message_carries_is_the_callers_error(others: Others) -> None:
    other = await others.start("refusals")
    for name, _ in bad_values():
        error = await raises(skypy.RemoteError, skypy.call(other, "make", name))
        assert error.type_name in ("TypeError", "ValueError", "UnicodeEncodeError"), (name, error)


async def test_a_message_that_is_too_long_is_refused_at_the_sender(others: Others) -> None:
    other = await others.start("refusals")
    data = bytes(60_000_000)
    error = await raises(ValueError, skypy.call(other, "keep", data))
    assert str(error).endswith(" bytes are too many for a message: it has at most 60000000")
    await raises(ValueError, skypy.call(other, "keep", [data[:30_000_000]] * 2))
    await raises(ValueError, skypy.newservice("refusals", data, worker=others.where()))
    failed = await raises(skypy.RemoteError, skypy.call(other, "make_bytes", 60_000_000))
    assert failed.type_name == "ValueError"
    assert "too many for a message" in failed.text


async def test_a_message_of_50_megabytes_passes_both_ways(others: Others) -> None:
    other = await others.start("refusals")
    data = b"x" * 50_000_000
    assert await skypy.call(other, "length", data) == len(data)
    assert len(await skypy.call(other, "make_bytes", len(data))) == len(data)


@skypy.command
def make_bytes(count: int) -> bytes:
    return bytes(count)


@skypy.command
def length(data: bytes) -> int:
    return len(data)
