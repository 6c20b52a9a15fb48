"""Sockets that an actor does not have: taking them over whatever has happened to them, and what others may do to them.

Each case is played with the other actor in the same worker and in another one: there must be no difference.
"""

import asyncio
import contextlib
import errno
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.contract.conftest import Place
from tests.contract.tap import Held, Tap, case, start

RESET_LINE = r"socket: error on \d+ (Connection reset by peer|Broken pipe)$"
LIMIT_LINE = r"socket: error on \d+ Message too long \(buffer_limit\)$"
LIMITS = {"read_window": 4096}
MORE_THAN_A_WINDOW = b"0123456789" * 1000

pytestmark = [pytest.mark.skypy(socket=LIMITS), pytest.mark.parametrize("worker", [1, 2])]


# -- connections that have ended ---------------------------------------------------------------------------------------


Ended = tuple[Tap, Held, bytes, str | None]
"""The owner, its socket, what a reader is to get, and the name of the error behind it (None: end-of-file)."""


async def finished(place: Place) -> Ended:
    """The peer has finished, and the listener wants no half-closed connections."""
    owner = await start(place, worker=1)
    client, held = await owner.client(half_close=False)
    await client.send(b"a request\n")
    client.shutdown_write()
    await held.do("end", "eof")
    return owner, held, b"a request\n", None


async def finished_by_both(place: Place) -> Ended:
    owner = await start(place, worker=1)
    client, held = await owner.client()
    await held.do("shutdown", "w")
    await client.send(b"a request\n")
    client.shutdown_write()
    await held.do("end", "eof")
    return owner, held, b"a request\n", None


async def not_read_any_more(place: Place) -> Ended:
    """Both halves are shut by the owner, and input is left from before."""
    owner = await start(place, worker=1)
    client, held = await owner.client()
    await client.send(b"a request\n")
    assert await held.do("read", 2) == b"a "
    await held.do("shutdown", "w")
    await held.do("shutdown", "r")
    return owner, held, b"request\n", None


async def reset_by_the_peer(place: Place) -> Ended:
    place.expect_error(RESET_LINE)
    owner = await start(place, worker=1)
    client, held = await owner.client()
    await client.send(b"a request\n")
    assert await held.do("read", 2) == b"a "
    client.reset()
    await held.do("end", "reset")
    return owner, held, b"request\n", "SocketBroken"


async def reset_with_more_than_a_window_unread(place: Place) -> Ended:
    place.expect_error(RESET_LINE)
    owner = await start(place, worker=1)
    client, held = await owner.client()
    await client.send(MORE_THAN_A_WINDOW)
    while await held.do("unread") < LIMITS["read_window"]:
        pass
    client.reset()
    await held.do("end", "reset")
    return owner, held, MORE_THAN_A_WINDOW, "SocketBroken"


async def reset_after_its_end(place: Place) -> Ended:
    place.expect_error(RESET_LINE)
    owner = await start(place, worker=1)
    client, held = await owner.client()
    await client.send(b"a request\n")
    client.shutdown_write()
    await held.do("end", "eof")
    client.reset()
    while await held.do("write", b"x"):
        pass
    await held.do("end", "reset")
    return owner, held, b"a request\n", None  # the end that a reader meets is the first one


async def beyond_its_limit(place: Place) -> Ended:
    place.expect_error(LIMIT_LINE)
    owner = await start(place, worker=1)
    client, held = await owner.client()
    await held.do("limit", 5)
    await held.do("local_address")  # it is not known behind the end
    await client.send(b"a request\n")
    await held.do("end", "buffer_limit")
    return owner, held, b"a request\n"[: await held.do("unread")], "BufferLimit"


ENDED = [
    finished,
    finished_by_both,
    not_read_any_more,
    reset_by_the_peer,
    reset_with_more_than_a_window_unread,
    reset_after_its_end,
    beyond_its_limit,
]
each_end = pytest.mark.parametrize("ended", ENDED, ids=lambda ended: ended.__name__)
Scene = Callable[[Place], Awaitable[Ended]]


async def end_of(held: Held) -> list[Any]:
    """Read a socket to its end, twice."""
    return [await held.do("read_to_end"), await held.do("read_to_end")]


@each_end
@case
async def test_a_connection_that_has_ended_is_taken_over_with_all_that_came_and_its_end(
    tapped: Place, worker: int, ended: Scene
) -> None:
    _, held, rest, error = await ended(tapped)
    taker = await start(tapped, worker=worker)
    taken = Held(taker, held.fd)
    assert await taken.do("start") is None
    assert await held.do("read") == ["SocketClosed", None]
    assert await end_of(taken) == [[rest, error, None] if error else [rest, None, None], [b"", None, None]]
    assert await taken.do("write", b"an answer") is False
    assert await taken.do("close") is None
    assert await taken.do("start") == ["SocketClosed", None]
    assert await held.do("start") == ["SocketClosed", None]


@each_end
@case
async def test_it_goes_on_from_hand_to_hand_and_its_end_is_met_once(tapped: Place, worker: int, ended: Scene) -> None:
    _, held, rest, error = await ended(tapped)
    first, second = await start(tapped, worker=worker), await start(tapped, worker=3 - worker)
    for tap in (first, second, first, held.tap, first):
        assert await tap.do("start", held.fd) is None
    assert (await first.do("read_to_end", held.fd))[:2] == [rest, error]
    for tap in (second, held.tap):
        assert await tap.do("start", held.fd) is None
        assert await tap.do("read_to_end", held.fd) == [b"", None, None]


@each_end
@case
async def test_several_actors_want_it_and_the_last_one_has_it(tapped: Place, worker: int, ended: Scene) -> None:
    _, held, rest, error = await ended(tapped)
    taps = [await start(tapped, worker=number) for number in (worker, 3 - worker, worker)]
    assert await asyncio.gather(*(tap.do("start", held.fd) for tap in taps)) == [None, None, None]
    read = [await tap.do("read_to_end", held.fd) for tap in taps]
    assert sorted(read, key=str)[1:] == [[b"", "SocketClosed", "SocketClosed"]] * 2 or [rest, error, None] in read


@each_end
@case
async def test_its_new_owner_is_told_the_reason_of_the_end(tapped: Place, worker: int, ended: Scene) -> None:
    _, held, _, _ = await ended(tapped)
    reason = await held.do("onclose_reason")
    taker = await start(tapped, worker=worker)
    peer = await held.do("peer_address")
    await taker.do("start", held.fd)
    assert await taker.do("onclose_reason", held.fd) == reason
    assert await taker.do("peer_address", held.fd) == peer
    assert await taker.do("disconnected", held.fd) is True


@each_end
@case
async def test_an_owner_that_abandons_it_or_ends_leaves_it_or_not(tapped: Place, worker: int, ended: Scene) -> None:
    owner, held, rest, error = await ended(tapped)
    taker = await start(tapped, worker=worker)
    assert await held.do("abandon") is None
    assert await taker.do("start", held.fd) is None
    assert (await taker.do("read_to_end", held.fd))[:2] == [rest, error]
    await taker.do("abandon", held.fd)
    assert await held.do("start") is None
    await tapped.kill(owner.address)
    assert await taker.do("start", held.fd) == ["SocketClosed", None]


@case
async def test_a_connection_that_ends_while_it_changes_hands_loses_nothing(tapped: Place, worker: int) -> None:
    tapped.allow_error(RESET_LINE)
    owner, other = await start(tapped, worker=1), await start(tapped, worker=worker)
    for number in range(20):
        client, held = await owner.client(half_close=False)
        await client.send(MORE_THAN_A_WINDOW)
        starting = asyncio.create_task(other.do("start", held.fd))
        if number % 2:
            client.shutdown_write()
        else:
            client.reset()
        assert await starting is None
        received, error, end = await other.do("read_to_end", held.fd)
        assert (received, error, end) == (MORE_THAN_A_WINDOW, None if number % 2 else "SocketBroken", None)
        await other.do("close", held.fd)


@case
async def test_a_limit_that_is_passed_while_it_changes_hands_is_told_to_one_owner(tapped: Place, worker: int) -> None:
    tapped.allow_error(LIMIT_LINE)
    owner, other = await start(tapped, worker=1), await start(tapped, worker=worker)
    for _ in range(20):
        client, held = await owner.client()
        await held.do("limit", 5)
        sending = asyncio.create_task(client.send(b"a request\n"))
        assert await other.do("start", held.fd) is None
        with contextlib.suppress(OSError):  # it may be reset already
            await sending
            client.shutdown_write()
        received, error, end = await other.do("read_to_end", held.fd)
        if error == "BufferLimit":
            assert len(received) > 5
            assert b"a request\n".startswith(received)
        else:  # the limit was the former owner's
            assert (received, error) == (b"a request\n", None)
        assert end is None
        await other.do("close", held.fd)


@case
async def test_a_connection_that_its_owner_has_closed_is_not_taken_over(tapped: Place, worker: int) -> None:
    tapped.expect_error(RESET_LINE)
    owner, other = await start(tapped, worker=1), await start(tapped, worker=worker)
    client, held = await owner.client()
    client.reset()
    await held.do("end", "reset")
    await held.do("close")
    assert await other.do("start", held.fd) == ["SocketClosed", None]


# -- a reset is known at once ------------------------------------------------------------------------------------------


@case
async def test_nothing_is_written_behind_a_reset_however_much_is_unread(tapped: Place, worker: int) -> None:
    tapped.expect_error(RESET_LINE)
    owner, other = await start(tapped, worker=1), await start(tapped, worker=worker)
    for finishes_first in (False, True):
        client, held = await owner.client()
        await client.send(MORE_THAN_A_WINDOW)
        if finishes_first:
            client.shutdown_write()
            await held.do("until_disconnected")
        client.reset()
        await held.do("end", "reset")
        assert await held.do("write", b"an answer") is False
        assert await held.do("drain") == ["SocketBroken", errno.ECONNRESET]
        assert await other.do("start", held.fd) is None
        assert await other.do("write", held.fd, b"an answer") is False
        assert (await other.do("read_to_end", held.fd))[0] == MORE_THAN_A_WINDOW


# -- listeners ---------------------------------------------------------------------------------------------------------


@case
async def test_a_listener_is_taken_over_and_its_clients_follow(tapped: Place, worker: int) -> None:
    owner, other = await start(tapped, worker=1), await start(tapped, worker=worker)
    listener, port = await owner.do("listen")
    early = await tapped.connect(port)
    assert await other.do("accept", listener, b"other") == port
    late = await tapped.connect(port)
    assert [await early.receive_all(), await late.receive_all()] == [b"other", b"other"]
    assert await owner.do("accept", listener, b"owner") == port
    assert await (await tapped.connect(port)).receive_all() == b"owner"
    assert await other.do("invalid", listener) is True
    await owner.do("close", listener)
    assert await other.do("accept", listener, b"other") == ["SocketClosed", None]


@case
async def test_no_client_is_lost_while_a_listener_changes_hands(tapped: Place, worker: int) -> None:
    taps = [await start(tapped, worker=number) for number in (1, worker, 2)]
    names = [b"first", b"second", b"third"]
    listener, port = await taps[0].do("listen", 0, 1024)
    assert await taps[0].do("accept", listener, names[0]) == port

    async def come() -> bytes:
        return await (await tapped.connect(port)).receive_all()

    clients = []
    for round_ in range(10):
        clients += [asyncio.create_task(come()) for _ in range(10)]
        assert await taps[round_ % 3].do("accept", listener, names[round_ % 3]) == port
    assert set(await asyncio.gather(*clients)) <= set(names)
    assert await come() == names[9 % 3]


async def connect_again_and_again(place: Place, port: int) -> None:
    """Connect until a listener's end, which may still be on its way, has come."""
    while True:
        (await place.connect(port)).close()


@case
async def test_a_listener_ends_with_its_new_owner_and_not_with_the_former(tapped: Place, worker: int) -> None:
    owner, other = await start(tapped, worker=1), await start(tapped, worker=worker)
    listener, port = await owner.do("listen")
    await other.do("accept", listener, b"other")
    await tapped.kill(owner.address)
    assert await (await tapped.connect(port)).receive_all() == b"other"
    await tapped.kill(other.address)
    with pytest.raises((ConnectionRefusedError, ConnectionResetError)):
        await connect_again_and_again(tapped, port)


@case
async def test_any_actor_closes_a_listener(tapped: Place, worker: int) -> None:
    owner, other = await start(tapped, worker=1), await start(tapped, worker=worker)
    for _ in range(2):
        listener, port = await owner.do("listen")
        assert await other.do("close", listener) is None
        assert await other.do("start", listener) == ["SocketClosed", None]
        with pytest.raises(ConnectionRefusedError):
            await tapped.connect(port)


# -- verbs of an actor that does not own the socket --------------------------------------------------------------------


@case
async def test_any_actor_closes_a_connection_behind_what_it_has_written(tapped: Place, worker: int) -> None:
    owner, other = await start(tapped, worker=1), await start(tapped, worker=worker)
    client, held = await owner.client()
    reading = asyncio.create_task(held.do("read"))
    assert await held.do("state") == "OPEN"
    assert await other.do("write", held.fd, b"all of it") is True
    assert await other.do("close", held.fd) is None
    assert await client.receive_all() == b"all of it"
    assert await reading == ["SocketClosed", None]
    assert await held.do("end", "closed") == ["closed"]
    assert await other.do("write", held.fd, b"more") is False
    assert await other.do("close", held.fd) is None


@case
async def test_any_actor_finishes_a_half(tapped: Place, worker: int) -> None:
    owner, other = await start(tapped, worker=1), await start(tapped, worker=worker)
    client, held = await owner.client()
    assert await other.do("write", held.fd, b"all of it") is True
    assert await other.do("shutdown", held.fd, "w") is None
    assert await client.receive_all() == b"all of it"
    assert await held.do("write", b"more") is False
    await client.send(b"a request\n")
    assert await held.do("readline") == b"a request"
    reading = asyncio.create_task(held.do("read"))
    assert await held.do("unread") == 0
    assert await other.do("shutdown", held.fd, "r") is None
    assert await reading is None


@pytest.mark.parametrize("verb", ["abort", "shutdown"])
@case
async def test_any_actor_drops_a_connection(tapped: Place, worker: int, verb: str) -> None:
    owner, other = await start(tapped, worker=1), await start(tapped, worker=worker)
    client, held = await owner.client()
    assert await other.do(verb, held.fd) is None
    if verb == "abort":
        with pytest.raises(ConnectionResetError):
            await client.receive()
    else:
        assert await client.receive() == b""
    reason = "aborted" if verb == "abort" else "shutdown"
    assert await held.do("end", reason) == [reason]
    assert await held.do("write", b"x") is False


@case
async def test_an_end_by_another_reaches_a_connection_that_changes_hands(tapped: Place, worker: int) -> None:
    owner, other, third = [await start(tapped, worker=number) for number in (1, worker, 2)]
    for _ in range(10):
        client, held = await owner.client()
        starting = asyncio.create_task(other.do("start", held.fd))
        await third.do("close", held.fd)
        assert await starting in (None, ["SocketClosed", None])
        assert await client.receive_all() == b""


OWNERS_VERBS: list[tuple[Any, ...]] = [
    ("read",),
    ("readline",),
    ("readall",),
    ("pause",),
    ("resume",),
    ("limit", 5),
    ("onclose", None),
    ("onwarning", None),
    ("abandon",),
]


@pytest.mark.parametrize("verb", OWNERS_VERBS, ids=lambda verb: verb[0])
@case
async def test_other_verbs_are_the_owners_alone(tapped: Place, worker: int, verb: tuple[Any, ...]) -> None:
    owner, other = await start(tapped, worker=1), await start(tapped, worker=worker)
    name, *args = verb
    client, held = await owner.client()
    assert await other.do(name, held.fd, *args) == ["SocketClosed", None]
    text = await tapped.call(other.address, "text_of_error", name, held.fd, *args)
    assert f"belongs to another actor, :{owner.address:08x}" in text
    assert await held.do("write", b"still there") is True
    await client.send(b"a request\n")
    assert await held.do("readline") == b"a request"
    assert await client.receive_exactly(11) == b"still there"


# -- workers that die --------------------------------------------------------------------------------------------------


@pytest.mark.skypy(workers=3)
async def test_what_the_worker_of_an_owner_had_is_closed_with_it(place: Place, worker: int) -> None:
    place.allow_error(RESET_LINE)
    place.allow_error("worker 3")
    owner, other = await start(place, worker=3), await start(place, worker=worker)
    client, held = await owner.client()
    ended_client, ended = await owner.client(half_close=False)
    listener, port = await owner.do("listen")
    await ended_client.send(b"a request\n")
    ended_client.shutdown_write()
    await ended.do("end", "eof")
    place.kill_worker(3)
    assert await client.receive_all() == b""
    for fd in (held.fd, ended.fd, listener):
        assert await other.do("start", fd) == ["SocketClosed", None]
        assert await other.do("close", fd) is None
        assert await other.do("write", fd, b"x") is False
    with pytest.raises((ConnectionRefusedError, ConnectionResetError)):
        await connect_again_and_again(place, port)


@pytest.mark.skypy(workers=3)
async def test_what_was_given_away_before_its_worker_died_stays(place: Place, worker: int) -> None:
    place.allow_error("worker 3")
    owner, other = await start(place, worker=3), await start(place, worker=worker)
    ended_client, ended = await owner.client(half_close=False)
    listener, port = await owner.do("listen")
    await ended_client.send(b"a request\n")
    ended_client.shutdown_write()
    await ended.do("end", "eof")
    assert await other.do("start", ended.fd) is None
    assert await other.do("accept", listener, b"other") == port
    place.kill_worker(3)
    assert await other.do("read_to_end", ended.fd) == [b"a request\n", None, None]
    assert await (await place.connect(port)).receive_all() == b"other"
