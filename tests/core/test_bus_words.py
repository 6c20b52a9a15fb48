"""The words of the bus: values that cannot change are shared, others go as they were when they were sent."""

from typing import Any

import pytest

from skypy.core.wire.bus import OVERHEAD_BYTES, REPLY, REPLY_PACKED, REQUEST, REQUEST_PACKED, reply, request
from skypy.core.wire.codec import pack, unpack
from skypy.core.wire.values import unpack_arguments, unpack_value

TARGET, SOURCE, SESSION = 0x2000001, 0x1000001, 7
LONG = 65537


@pytest.mark.parametrize("args", [(), (1, 2.5, None, True), ("text", b"bytes"), (-(1 << 63), (1 << 64) - 1)])
def test_scalars_go_as_they_are_and_are_packed_with_the_batch(args: tuple[Any, ...]) -> None:
    message, _ = request(TARGET, SOURCE, SESSION, "do", args, {})
    assert message == (REQUEST, TARGET, SOURCE, SESSION, "do", args)
    assert unpack(pack([message])) == [[REQUEST, TARGET, SOURCE, SESSION, "do", list(args)]]


@pytest.mark.parametrize(
    "args", [([1],), ({"a": 1},), ((1,),), (bytearray(b"x"),), ("ä",), ("x" * LONG,), (b"x" * LONG,)]
)
def test_other_arguments_are_packed_when_they_are_sent(args: tuple[Any, ...]) -> None:
    (kind, *_, command, payload), size = request(TARGET, SOURCE, SESSION, "do", args, {})
    assert (kind, command) == (REQUEST_PACKED, "do")
    assert unpack_arguments(payload) == (unpack(pack(list(args))), {})
    assert size == len(payload) + len("do") + OVERHEAD_BYTES


def test_a_value_that_is_changed_after_it_was_sent_arrives_as_it_was() -> None:
    values = [1, 2]
    message, _ = request(TARGET, SOURCE, SESSION, "do", (values,), {})
    answer, _ = reply(SOURCE, TARGET, SESSION, values)
    values.append(3)
    assert unpack_arguments(message[-1]) == ([[1, 2]], {})
    assert unpack_value(answer[-1]) == [1, 2]


def test_keyword_arguments_arrive_by_name() -> None:
    (kind, *_, payload), _ = request(TARGET, SOURCE, SESSION, "do", (1,), {"key": 2})
    assert kind == REQUEST_PACKED
    assert unpack_arguments(payload) == ([1], {"key": 2})


@pytest.mark.parametrize(
    ("value", "kind"), [(None, REPLY), (b"\x81", REPLY), ("text", REPLY), ([1], REPLY_PACKED), ("ä", REPLY_PACKED)]
)
def test_a_reply_that_is_bytes_is_not_taken_for_a_packed_one(value: Any, kind: int) -> None:
    message, _ = reply(SOURCE, TARGET, SESSION, value)
    assert message[:4] == (kind, SOURCE, TARGET, SESSION)
    assert (unpack_value(message[4]) if kind == REPLY_PACKED else message[4]) == value


@pytest.mark.parametrize(
    ("args", "size"), [((), 0), ((1, None), 0), (("text", b"bytes"), 9), (("x" * 65536, 1), 65536)]
)
def test_the_size_is_that_of_command_and_text_and_what_waiting_costs(args: tuple[Any, ...], size: int) -> None:
    assert request(TARGET, SOURCE, 0, "do", args, {})[1] == size + len("do") + OVERHEAD_BYTES
    assert reply(TARGET, SOURCE, 1, args[0] if args else None)[1] == OVERHEAD_BYTES + (
        len(args[0]) if args and args[0].__class__ is str else 0
    )


@pytest.mark.parametrize(("value", "error"), [(1 << 64, ValueError), ("\udc80", ValueError), (object(), TypeError)])
def test_a_value_that_no_message_carries_is_refused_where_it_is_sent(value: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        request(TARGET, SOURCE, SESSION, "do", (value,), {})
    with pytest.raises(error):
        reply(SOURCE, TARGET, SESSION, value)
