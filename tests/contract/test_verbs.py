"""The verbs of sockets, and the deeds of peers, have equal outcomes in memory and on real TCP."""

import asyncio
import errno

import pytest

from tests.contract.conftest import Place
from tests.contract.tap import KIBIBYTES_64, MORE_THAN_FITS, Held, case, start

RESET_LINE = r"socket: error on \d+ (Connection reset by peer|Broken pipe)$"
LIMITS = {"write_limit": 16 * 1048576, "high_water": 262144, "low_water": 65536}

pytestmark = pytest.mark.skypy(socket=LIMITS)


# -- reading -----------------------------------------------------------------------------------------------------------


@case
async def test_read_gives_so_many_bytes_and_keeps_the_rest(tapped: Place) -> None:
    client, held = await (await start(tapped)).client()
    await client.send(b"abcdef")
    assert [await held.do("read", size) for size in (2, 3, 1)] == [b"ab", b"cde", b"f"]


@case
async def test_bytes_left_at_the_end_can_be_read(tapped: Place) -> None:
    client, held = await (await start(tapped)).client()
    await client.send(b"abc")
    client.shutdown_write()
    assert [await held.do("read", 5), await held.do("read"), await held.do("read")] == [None, b"abc", None]


@case
async def test_lines_come_without_their_ends(tapped: Place) -> None:
    client, held = await (await start(tapped)).client()
    await client.send(b"one\n\ntwo\nrest")
    client.shutdown_write()
    assert [await held.do("readline") for _ in range(4)] == [b"one", b"", b"two", None]
    assert await held.do("read") == b"rest"


@case
async def test_a_line_may_arrive_byte_by_byte(tapped: Place) -> None:
    client, held = await (await start(tapped)).client()
    line = asyncio.create_task(held.do("readline"))
    for byte in b"slowly\n":
        await client.send(bytes([byte]))
        await held.do("state")  # a message more, so that others get their turns
    assert await line == b"slowly"


@case
async def test_a_line_that_is_too_long_stays(tapped: Place) -> None:
    client, held = await (await start(tapped)).client()
    await client.send(b"x" * 20)
    assert await held.do("readline", b"\n", 10) == ["BufferLimit", None]
    await client.send(b"\n")
    assert await held.do("readline", b"\n", 100) == b"x" * 20


@case
async def test_readall_waits_for_the_end(tapped: Place) -> None:
    client, held = await (await start(tapped)).client()
    everything = asyncio.create_task(held.do("readall"))
    for _ in range(5):
        await client.send(b"x" * 10_000)
    client.shutdown_write()
    assert await everything == b"x" * 50_000


@case
async def test_two_readers_are_one_too_many(tapped: Place) -> None:
    client, held = await (await start(tapped)).client()
    first = asyncio.create_task(held.do("read", 3))
    await asyncio.sleep(0)
    assert await held.do("read", 3) == ["SocketBusy", None]
    await client.send(b"abc")
    assert await first == b"abc"


@case
async def test_a_read_that_is_given_up_takes_nothing(tapped: Place) -> None:
    client, held = await (await start(tapped)).client()
    await client.send(b"ab")
    assert await held.do("read_for", 3, 0.05) == ["TimeoutError", None]
    await client.send(b"c")
    assert await held.do("read", 3) == b"abc"


# -- resets ------------------------------------------------------------------------------------------------------------


@case
async def test_a_reset_is_told_once_after_the_bytes_before_it(tapped: Place) -> None:
    tapped.expect_error(RESET_LINE)
    client, held = await (await start(tapped)).client()
    await client.send(b"abc")
    assert await held.do("read", 1) == b"a"
    client.reset()
    assert await held.do("end", "reset") == ["reset"]
    assert await held.do("read", 2) == b"bc"
    assert [await held.do("read"), await held.do("read")] == [["SocketBroken", 104], None]
    assert await held.do("write", b"x") is False


@case
async def test_a_reset_wakes_a_reader(tapped: Place) -> None:
    tapped.expect_error(RESET_LINE)
    client, held = await (await start(tapped)).client()
    reader = asyncio.create_task(held.do("readline"))
    assert await held.do("state") == "OPEN"
    client.reset()
    assert await reader == ["SocketBroken", 104]


@case
async def test_a_reset_behind_a_fin_is_met_by_a_write(tapped: Place) -> None:
    tapped.expect_error(RESET_LINE)
    client, held = await (await start(tapped)).client()
    await client.send(b"abc")
    client.shutdown_write()
    assert await held.do("end", "eof") == ["eof"]
    assert await held.do("write", b"an answer") is True
    assert await client.receive(1) == b"a"
    client.close()  # with unread bytes
    while await held.do("write", b"x"):
        pass
    assert await held.do("end", "reset") == ["eof", "reset"]
    assert await held.do("read", 3) == b"abc"


@case
async def test_an_abort_is_a_reset_for_the_peer(tapped: Place) -> None:
    client, held = await (await start(tapped)).client()
    await held.do("abort")
    with pytest.raises(ConnectionResetError):
        await client.receive()
    assert await held.do("read") == ["SocketClosed", None]


@case
async def test_the_first_write_to_a_peer_that_has_closed_is_accepted(tapped: Place) -> None:
    tapped.expect_error(RESET_LINE)
    client, held = await (await start(tapped)).client()
    client.close()
    assert await held.do("end", "eof") == ["eof"]
    assert await held.do("write", b"x") is True
    while await held.do("write", b"x"):
        pass
    assert await held.do("end", "reset") == ["eof", "reset"]


# -- finishing ---------------------------------------------------------------------------------------------------------


@case
async def test_a_peer_that_has_finished_gets_everything(tapped: Place) -> None:
    client, held = await (await start(tapped)).client()
    client.shutdown_write()
    assert await held.do("read") is None
    assert await held.do("state") == "HALF_CLOSED_READ"
    await held.do("write_much", 10)
    await held.do("close")
    assert await client.receive_all() == b"x" * 10 * KIBIBYTES_64


@case
async def test_our_half_can_be_closed_first(tapped: Place) -> None:
    client, held = await (await start(tapped)).client()
    await held.do("write", b"last")
    await held.do("shutdown", "w")
    assert await client.receive_all() == b"last"
    assert await held.do("write", b"x") is False
    await client.send(b"still read")
    client.shutdown_write()
    assert await held.do("readall") == b"still read"


@case
async def test_reading_can_be_stopped_alone(tapped: Place) -> None:
    client, held = await (await start(tapped)).client()
    await held.do("shutdown", "r")
    assert await held.do("read") is None
    await client.send(b"nobody reads this")
    await held.do("write", b"still written")
    await held.do("close")
    assert await client.receive_all() == b"still written"


@case
async def test_close_delivers_to_a_peer_that_reads_late(tapped: Place) -> None:
    client, held = await (await start(tapped)).client()
    assert await held.do("write_much", 40) == 40
    await held.do("close")
    assert await held.do("write", b"x") is False
    assert await client.receive_all() == b"x" * 40 * KIBIBYTES_64
    client.shutdown_write()
    assert await held.do("end", "closed") == ["closed"]


@case
async def test_close_with_unread_input_destroys_nothing(tapped: Place) -> None:
    client, held = await (await start(tapped)).client()
    await client.send(b"x" * 100_000)
    await held.do("write", b"answer")
    await held.do("close")
    await client.send(b"y" * 100_000)
    assert await client.receive_all() == b"answer"


@case
async def test_close_ends_the_task_that_waits(tapped: Place) -> None:
    _, held = await (await start(tapped)).client()
    reader = asyncio.create_task(held.do("read"))
    assert await held.do("state") == "OPEN"
    await held.do("close")
    assert await reader == ["SocketClosed", None]
    assert await held.do("close") is None


@case
async def test_shutdown_drops_what_is_unsent(tapped: Place) -> None:
    client, held = await (await start(tapped)).client()
    await held.do("write_much", MORE_THAN_FITS)
    await held.do("shutdown")
    with pytest.raises(ConnectionResetError):
        await client.receive_all()
    assert await held.do("end", "shutdown") == ["shutdown"]


@case
async def test_sockets_that_an_actor_leaves_are_closed_when_it_is_killed(tapped: Place) -> None:
    tap = await start(tapped)
    client, held = await tap.client()
    await held.do("write_much", 10)
    await tapped.kill(tap.address)
    assert await client.receive_all() == b"x" * 10 * KIBIBYTES_64
    with pytest.raises(ConnectionRefusedError):
        await tapped.connect(tap.port)


# -- flow --------------------------------------------------------------------------------------------------------------


@case
async def test_drain_waits_for_a_peer_that_reads_slowly(tapped: Place) -> None:
    client, held = await (await start(tapped)).client()
    await held.do("write_much", MORE_THAN_FITS)
    drained = asyncio.create_task(held.do("drain"))
    assert await held.do("state") == "OPEN"
    assert not drained.done()
    size = MORE_THAN_FITS * KIBIBYTES_64
    assert len(await client.receive_exactly(size)) == size
    assert await drained is None


@case
async def test_output_beyond_the_write_limit_is_a_reset(tapped: Place) -> None:
    tapped.allow_error("write_limit|socket: error")
    client, held = await (await start(tapped)).client()
    while await held.do("write_much", 20) == 20:
        pass
    assert await held.do("end", "write_limit") == ["write_limit"]
    with pytest.raises(ConnectionResetError):
        await client.receive_all()


@case
async def test_input_that_is_not_read_is_held_back_and_never_lost(tapped: Place) -> None:
    client, held = await (await start(tapped)).client()
    sending = asyncio.create_task(client.send(b"x" * 20_000_000))
    while await held.do("unread") < 100_000:
        pass
    assert not sending.done()
    assert await held.do("read_length", 20_000_000) == 20_000_000
    await sending


@case
async def test_a_paused_socket_goes_on_when_it_is_resumed(tapped: Place) -> None:
    client, held = await (await start(tapped)).client()
    await held.do("pause")
    await client.send(b"x" * 30_000)
    await held.do("resume")
    assert await held.do("read", 30_000) == b"x" * 30_000


@case
async def test_a_peer_that_sends_more_than_the_limit_is_reset(tapped: Place) -> None:
    tapped.allow_error("limit|socket: error")
    client, held = await (await start(tapped)).client()
    await held.do("limit", 1000)
    await client.send(b"x" * 5000)
    assert await held.do("end", "buffer_limit") == ["buffer_limit"]
    with pytest.raises(ConnectionResetError):
        await client.receive_all()


# -- being connected ---------------------------------------------------------------------------------------------------


@case
async def test_two_services_are_connected_and_finish_one_after_the_other(tapped: Place) -> None:
    server, other = await start(tapped, worker=1), await start(tapped, worker=2)
    ours = await other.open(await server.do("serve"))
    theirs = Held(server, await server.do("client"))
    await ours.do("write", b"question")
    await ours.do("shutdown", "w")
    assert await theirs.do("readall") == b"question"
    await theirs.do("write", b"answer")
    await theirs.do("close")
    assert await ours.do("readall") == b"answer"
    await ours.do("close")


@case
async def test_a_service_connects_to_a_port_without_a_listener(tapped: Place) -> None:
    assert await (await start(tapped)).do("open", 1) == ["ConnectionRefusedError", 111]


@case
async def test_a_port_is_taken_once(tapped: Place) -> None:
    tap = await start(tapped)
    _, port = await tap.do("listen")
    assert await tap.do("listen", port) == ["ListenError", 98]


@case
async def test_a_client_of_a_listener_that_closes_is_reset(tapped: Place) -> None:
    tap = await start(tapped)
    listener, port = await tap.do("listen")
    client = await tapped.connect(port)
    await tap.do("close", listener)
    with pytest.raises(ConnectionResetError):
        await client.receive()
    with pytest.raises(ConnectionRefusedError):
        await tapped.connect(port)


@case
async def test_a_client_that_finds_the_backlog_full_is_given_up_in_time(tapped: Place) -> None:
    server, other = await start(tapped), await start(tapped)
    _, port = await server.do("listen", 0, 1)
    for _ in range(2):  # Linux takes one more than the backlog
        assert isinstance(await other.do("open", port), int)
    assert await other.do("open", port, 0.2) == ["TimeoutError", 110]


# -- other actors ------------------------------------------------------------------------------------------------------


@case
async def test_an_actor_of_another_worker_may_write(tapped: Place) -> None:
    tap, other = await start(tapped, worker=1), await start(tapped, worker=2)
    client, held = await tap.client()
    assert await other.do("write", held.fd, b"from elsewhere") is True
    assert await client.receive_exactly(14) == b"from elsewhere"
    assert await other.do("read", held.fd) == ["SocketClosed", None]


@case
async def test_a_socket_is_taken_over_with_what_is_unread_and_unsent(tapped: Place) -> None:
    tap, other = await start(tapped, worker=1), await start(tapped, worker=2)
    client, held = await tap.client()
    await client.send(b"abc")
    assert await held.do("read", 1) == b"a"
    await held.do("write_much", 30)
    assert await other.do("start", held.fd) is None
    assert await other.do("read", held.fd, 2) == b"bc"
    assert await held.do("read") == ["SocketClosed", None]
    await other.do("close", held.fd)
    assert await client.receive_all() == b"x" * 30 * KIBIBYTES_64


@case
async def test_a_broken_socket_is_taken_over_with_its_end(tapped: Place) -> None:
    tapped.expect_error(RESET_LINE)
    tap, other = await start(tapped, worker=1), await start(tapped, worker=2)
    client, held = await tap.client()
    client.reset()
    assert await held.do("end", "reset") == ["reset"]
    assert await other.do("start", held.fd) is None
    assert await other.do("read", held.fd) == ["SocketBroken", errno.ECONNRESET]
    assert await other.do("read", held.fd) is None
