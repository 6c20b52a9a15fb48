"""Writes by actors of other workers are in causal order, and no close loses one: in memory and by real processes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from skypy.core.address import Address
from skypy.testing import Client, Node, System
from tests.contract.conftest import Place

pytestmark = pytest.mark.skypy(workers=3, service_path=["services"])

PAIRS = 10


class Cast:
    """An actor on each worker, with index 1 to 3. The first one owns the socket of a client."""

    def __init__(self, place: Place, actors: list[Address], client: Client, fd: int) -> None:
        self.place = place
        self.owner, self.second, self.third = actors
        self.client = client
        self.fd = fd

    async def play(self, actor: Address, *script: Any) -> Any:
        """Let an actor take some steps, and return the outcome of each."""
        return await self.place.call(actor, "play", self.fd, list(script))


async def cast(place: Place) -> Cast:
    actors = [await place.newservice("scripted", worker=number) for number in (1, 2, 3)]
    client = await place.connect(await place.call(actors[0], "serve"))
    return Cast(place, actors, client, await place.call(actors[0], "client"))


async def test_a_write_comes_before_that_of_the_owner_who_was_answered_behind_it(place: Place) -> None:
    one = await cast(place)
    for _ in range(PAIRS):
        await one.play(one.owner, ["call", one.second, [["write", b"1"]]], ["write", b"2"])
    await one.play(one.owner, ["close"])
    assert await one.client.receive_all() == b"12" * PAIRS


async def test_a_write_comes_before_those_of_actors_that_heard_of_it_through_others(place: Place) -> None:
    one = await cast(place)
    for _ in range(PAIRS):
        ring = ["send", one.third, [["write", b"2"], ["call", one.owner, [["write", b"3"]]]]]
        await one.play(one.second, ["write", b"1"], ring)
        assert await one.client.receive_exactly(3) == b"123"
    await one.play(one.owner, ["close"])


async def test_a_close_delivers_what_was_written_and_told_before(place: Place) -> None:
    one = await cast(place)
    await one.play(one.owner, ["call", one.second, [["write", b"kicked\n"]]], ["close"])
    assert await one.client.receive_all() == b"kicked\n"


async def test_a_close_delivers_what_it_has_heard_of_through_a_third_worker(place: Place) -> None:
    one = await cast(place)
    await one.play(one.second, ["write", b"kicked\n"], ["call", one.third, [["call", one.owner, [["close"]]]]])
    assert await one.client.receive_all() == b"kicked\n"


async def test_a_finished_half_delivers_what_was_written_and_told_before(place: Place) -> None:
    one = await cast(place)
    await one.play(one.owner, ["call", one.second, [["write", b"bye"]]], ["finish"])
    assert await one.client.receive_all() == b"bye"


async def test_the_exit_of_the_owner_delivers_what_was_written_and_told_before(place: Place) -> None:
    one = await cast(place)
    place.send(one.owner, "play", one.fd, [["call", one.second, [["write", b"bye"]]], ["leave"]])
    assert await one.client.receive_all() == b"bye"


async def test_a_kill_of_the_owner_delivers_what_was_written_before(place: Place) -> None:
    one = await cast(place)
    await one.play(one.second, ["write", b"bye"], ["call", one.third, [["kill", one.owner]]])
    assert await one.client.receive_all() == b"bye"


@pytest.mark.parametrize("end", ["close", "finish"])
async def test_an_end_by_another_worker_delivers_what_happened_before(place: Place, end: str) -> None:
    one = await cast(place)
    await one.play(one.second, ["write", b"1"], ["call", one.third, [["write", b"2"], [end]]])
    assert await one.client.receive_all() == b"12"


@pytest.mark.parametrize("end", ["close", "finish"])
async def test_the_owner_writes_nothing_behind_an_end_by_another_worker_of_which_it_has_heard(
    place: Place, end: str
) -> None:
    one = await cast(place)
    for_owner = ["call", one.owner, [["write", b"late"]]]
    assert await one.play(one.second, ["write", b"bye"], [end], ["call", one.third, [for_owner]]) == [
        True,
        None,
        [[False]],
    ]
    assert await one.client.receive_all() == b"bye"


async def test_an_end_comes_behind_the_writes_that_happened_before_while_the_socket_changes_hands(place: Place) -> None:
    one = await cast(place)
    place.send(one.third, "play", one.fd, [["take_if_open"]])  # no cause of the end: it may come behind
    await one.play(one.second, ["write", b"1"], ["call", one.owner, [["write", b"2"], ["close"]]])
    assert await one.client.receive_all() == b"12"


@pytest.mark.parametrize("worker", [None, 1, 3])
async def test_a_new_service_that_is_given_the_socket_behind_a_write_may_close_it(
    place: Place, worker: int | None
) -> None:
    one = await cast(place)
    await one.play(one.second, ["write", b"bye"], ["new", worker, [["take"], ["write", b"!"], ["close"]]])
    assert await one.client.receive_all() == b"bye!"


async def test_what_a_new_service_has_written_comes_before_the_next_of_its_starter(place: Place) -> None:
    one = await cast(place)
    for _ in range(3):
        await one.play(one.owner, ["new", 2, [["write", b"1"]]], ["write", b"2"])
    await one.play(one.owner, ["close"])
    assert await one.client.receive_all() == b"12" * 3


async def test_a_name_tells_of_the_writes_before_it(place: Place) -> None:
    one = await cast(place)
    finding = asyncio.create_task(one.play(one.owner, ["find", ".written"], ["close"]))
    await one.play(one.second, ["write", b"bye"], ["register", ".written"])
    await finding
    assert await one.client.receive_all() == b"bye"


async def test_an_entry_of_the_environment_tells_of_the_writes_before_it(place: Place) -> None:
    one = await cast(place)
    finding = asyncio.create_task(one.play(one.owner, ["get", "written"], ["write", b"!"], ["close"]))
    await one.play(one.second, ["write", b"bye"], ["set", "written"])
    await finding
    assert await one.client.receive_all() == b"bye!"


async def test_messages_keep_their_order_while_their_writer_takes_the_socket_over(place: Place) -> None:
    one = await cast(place)
    taking = asyncio.create_task(one.play(one.second, ["write", b"1"], ["take"], ["write", b"4"]))
    await one.play(one.second, ["write", b"2"], ["call", one.third, [["write", b"3"]]])
    await taking
    await one.play(one.second, ["close"])
    received = await one.client.receive_all()
    assert sorted(received) == sorted(b"1234")
    assert received.index(b"2") < received.index(b"3")
    assert received.index(b"1") < received.index(b"4")


async def test_a_message_that_leaves_in_the_middle_of_a_turn_tells_of_the_writes_before_it(place: Place) -> None:
    one = await cast(place)
    long_turn = [["write", b"1"], ["send", one.owner, [["write", b"2"], ["close"]]], ["many", one.owner, 40]]
    await one.play(one.second, *long_turn)
    assert await one.client.receive_all() == b"12"


async def test_a_write_behind_the_end_of_its_socket_is_counted_and_said_once(place: Place) -> None:
    one = await cast(place)
    await one.play(one.owner, ["close"])
    assert await one.client.receive_all() == b""
    await one.play(one.second, ["write", b"late"])
    counters = await place.call(one.third, "counters")
    while not counters["writes_after_close"]:
        counters = await place.call(one.third, "counters")
    assert counters["writes_after_close"] == 1
    place.expect_error("a message to .* came after its end and is lost")
    assert await one.play(one.second, ["write", b"later"]) == [False]


async def test_what_was_written_and_not_acknowledged_is_queued(place: Place) -> None:
    one = await cast(place)
    assert await one.play(one.owner, ["info"]) == [0]
    await one.play(one.owner, ["fill", 2_500_000, 1])
    (queued,) = await one.play(one.owner, ["info"])
    assert 1_000_000 < queued <= 2_500_000
    await receive_count(one.client, 2_500_000)
    while await one.play(one.owner, ["info"]) != [0]:
        pass
    await one.play(one.owner, ["close"])


async def test_a_connection_that_was_opened_here_and_changes_hands_has_as_much_queued_as_before(place: Place) -> None:
    one = await cast(place)
    await one.play(one.owner, ["close"])
    one.fd = await place.call(one.owner, "connect", await place.call(one.third, "serve"))
    await one.play(one.owner, ["fill", 4_000_000, 1])
    before = await settled(one, one.owner)
    await one.play(one.second, ["take"])
    assert await settled(one, one.second) == before > 0
    await one.play(one.second, ["close"])
    one.fd = await place.call(one.third, "client")
    assert await one.play(one.third, ["readall"], ["close"]) == [bytes(4_000_000), None]


async def settled(one: Cast, actor: Address) -> int:
    """Return the bytes that are queued once the kernels take no more."""
    last: list[int] = []
    while len(last) < 20 or len(set(last[-20:])) > 1:
        last += await one.play(actor, ["info"])
    return last[-1]


async def test_a_socket_that_never_was_takes_no_message(place: Place) -> None:
    one = await cast(place)
    never = Cast(place, [one.owner, one.second, one.third], one.client, 0)
    assert await never.play(one.second, ["write", b"x"]) == [False]
    never.fd = 1 << 40
    place.allow_error("a message to .* came after its end and is lost")
    while await never.play(one.second, ["write", b"x"]) != [False]:
        pass
    counters = await place.call(one.third, "counters")
    assert counters["writes_after_close"] >= 1
    await one.play(one.owner, ["close"])


async def receive_count(client: Client, size: int) -> None:
    """Receive so many bytes, and keep none."""
    while size:
        received = len(await client.receive(min(size, 1 << 20)))
        assert received
        size -= received


async def test_no_more_than_a_budget_is_under_way_to_a_worker_that_is_stopped(node: Node) -> None:
    one = await cast(node)
    node.suspend_worker(1)
    (first,) = await one.play(one.second, ["fill", 1 << 20, 100])
    assert first == 64
    assert await one.play(one.second, ["fill", 1 << 20, 100]) == [0]
    waiting = asyncio.create_task(one.play(one.second, ["drain"], ["write", b"x"]))
    await one.play(one.third, ["call", one.second, []])
    assert not waiting.done()
    node.resume_worker(1)
    await receive_count(one.client, first << 20)
    assert await waiting == [None, True]
    await one.play(one.owner, ["close"])
    assert await one.client.receive_all() == b"x"


async def test_a_worker_that_is_stopped_holds_up_only_its_own_actors(place: Place) -> None:
    one = await cast(place)
    place.suspend_worker(1)
    assert await one.play(one.second, ["write", b"1"], ["call", one.third, [["write", b"2"]]]) == [True, [True]]
    place.resume_worker(1)
    assert await one.client.receive_exactly(2) == b"12"
    await one.play(one.owner, ["close"])


async def test_messages_that_a_worker_dies_with_are_counted_and_their_writer_is_told(place: Place) -> None:
    one = await cast(place)
    await one.play(one.second, ["write", b"1"])
    assert await one.client.receive_exactly(1) == b"1"
    await one.play(one.owner)  # a turn later the receipt has left
    place.suspend_worker(1)
    await one.play(one.second, ["write", b"2"], ["write", b"3"], ["call", one.third, [["write", b"4"]]])
    place.allow_error("a message to .* came after its end and is lost")
    place.kill_worker(1)
    assert await one.client.receive_all() == b""
    assert (await place.call(one.third, "counters"))["foreign_writes_lost"] == 3
    assert await one.play(one.second, ["write", b"5"]) == [False]


@pytest.mark.skypy(seeds=200)
async def test_whatever_the_order_of_events(system: System) -> None:
    await test_a_write_comes_before_that_of_the_owner_who_was_answered_behind_it(system)
    await test_a_write_comes_before_those_of_actors_that_heard_of_it_through_others(system)
    await test_a_close_delivers_what_was_written_and_told_before(system)
    await test_a_close_delivers_what_it_has_heard_of_through_a_third_worker(system)
    await test_a_new_service_that_is_given_the_socket_behind_a_write_may_close_it(system, None)
    await test_a_new_service_that_is_given_the_socket_behind_a_write_may_close_it(system, 1)
    await test_a_name_tells_of_the_writes_before_it(system)
    await test_messages_keep_their_order_while_their_writer_takes_the_socket_over(system)
    await test_an_end_comes_behind_the_writes_that_happened_before_while_the_socket_changes_hands(system)
