"""A system in memory behaves as real processes do: each case is played on both."""

import asyncio

import pytest

import skypy
from tests.contract.conftest import Place

pytestmark = pytest.mark.skypy(service_path=["../../services", "services"], env={"host": "127.0.0.1", "port": "0"})


async def test_a_store_keeps_what_it_is_given(place: Place) -> None:
    store = await place.newservice("simpledb")
    assert await place.call(store, "set", "a", [1, 2.5, "x", None]) is None
    assert await place.call(store, "get", "a") == [1, 2.5, "x", None]


async def test_an_error_of_the_callee_is_the_callers(place: Place) -> None:
    store = await place.newservice("simpledb")
    await place.call(store, "set", "a", "text")
    with pytest.raises(skypy.RemoteError, match="TypeError: the value of"):
        await place.call(store, "incr", "a")


async def test_a_killed_actor_is_dead(place: Place) -> None:
    store = await place.newservice("simpledb")
    await place.kill(store)
    with pytest.raises(skypy.ActorDead, match="there is no such actor"):
        await place.call(store, "get", "a")


async def test_a_service_that_cannot_be_started_says_why(place: Place) -> None:
    with pytest.raises(skypy.ServiceError, match="did you mean"):
        await place.newservice("simpledbb")


async def test_a_killed_worker_takes_its_actors_along_and_is_replaced(place: Place) -> None:
    store = await place.newservice("simpledb", worker=2)
    assert store == 0x02000001
    place.kill_worker(2)
    with pytest.raises(skypy.ActorDead, match=r"its process (was ended by signal 9|has ended)|there is no such actor"):
        await place.call(store, "get", "a")
    assert await place.newservice("simpledb", worker=2) == 0x03000001


async def test_everything_arrives_after_a_half_close(place: Place) -> None:
    client = await place.connect(await place.call(await place.newservice("line_echo"), "port"))
    await client.send(b"a\nb\n")
    client.shutdown_write()
    assert await client.receive_all() == b"a\nb\n" + b"FINAL\n" * 10


async def test_much_arrives_at_a_client_that_reads_late(place: Place) -> None:
    service = await place.newservice("line_echo")
    client = await place.connect(await place.call(service, "port"))
    await client.send(b"flood\n")
    assert await client.receive_all() == b"x" * 3_000_000


async def test_a_reset_ends_the_reader(place: Place) -> None:
    place.expect_error("socket: error on .* Connection reset by peer")
    service = await place.newservice("line_echo")
    client = await place.connect(await place.call(service, "port"))
    await client.send(b"a\n")
    assert await client.readline() == b"a\n"
    client.reset()
    assert await place.call(service, "next_end") == "SocketBroken 104"


async def test_nobody_listens(place: Place) -> None:
    with pytest.raises(ConnectionRefusedError):
        await place.connect(1)


async def test_a_socket_changes_hands_with_its_unread_bytes(place: Place) -> None:
    service = await place.newservice("line_echo", worker=1)
    other = await place.newservice("line_echo", worker=2)
    client = await place.connect(await place.call(service, "port"))
    await client.send(b"a\n")
    assert await client.readline() == b"a\n"
    await client.send(f"give {other}\n".encode())
    await client.send(b"b\n")
    assert await client.readline() == b"b\n"
    assert await place.call(other, "lines") == ["b"]


async def test_sends_and_calls_arrive_in_order(place: Place) -> None:
    store = await place.newservice("simpledb")
    for number in range(100):
        assert place.send(store, "set", "a", number) is True
        if number % 10 == 0:
            assert await place.call(store, "get", "a") == number
    assert await place.call(store, "get", "a") == 99
    assert place.send(".nobody", "set", "a", 1) is False


async def test_there_is_one_of_a_unique_service(place: Place) -> None:
    waiting = asyncio.create_task(place.queryservice("simpledb"))
    await asyncio.sleep(0)
    first = await place.uniqueservice("simpledb")
    assert await place.uniqueservice("simpledb") == first == await waiting
    with pytest.raises(skypy.ServiceError, match="nobody"):
        await place.uniqueservice("nobody")


async def test_names_are_found_and_free_after_a_death(place: Place) -> None:
    named = await place.newservice("named", ".contract")
    assert place.query(".contract") == named
    assert await place.call(".contract", "who") == named
    with pytest.raises(skypy.ServiceError, match="NameTaken"):
        await place.newservice("named", ".contract")
    await place.kill(named)
    assert place.query(".contract") is None
    with pytest.raises(skypy.ActorDead, match=r'no actor has the name "\.contract"'):
        await place.call(".contract", "who")


async def test_values_that_no_message_carries_are_refused_at_once(place: Place) -> None:
    store = await place.newservice("simpledb")
    with pytest.raises(TypeError):
        await place.call(store, "set", "a", object())
    with pytest.raises(TypeError):
        place.send(store, "set", "a", object())


async def test_an_error_of_a_send_is_in_the_log(place: Place) -> None:
    place.expect_error("TypeError: the value of")
    place.allow_error("never seen")
    store = await place.newservice("simpledb")
    assert place.send(store, "set", "a", "text")
    assert place.send(store, "incr", "a")
    assert await place.call(store, "get", "a") == "text"
