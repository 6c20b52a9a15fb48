"""Services of which a node has one instance."""

import asyncio
from typing import Any

import skypy
from tests.actors.scenarios import Others, raises, refuses
from tests.actors.scenarios import play as play_scenario


@skypy.command
async def play(name: str, placement: str) -> dict[str, Any]:
    return await play_scenario(__name__, name, placement)


@skypy.command
async def unique(name: str, *args: Any) -> int:
    return await skypy.uniqueservice(name, *args)


@skypy.command
async def query(name: str) -> int:
    return await skypy.queryservice(name)


async def started_once(others: Others, address: int) -> None:
    """Check that all got the same one; it is killed when the scenario is over."""
    others.started.append(address)
    assert await skypy.call(address, "who") == address


async def test_every_question_gets_the_same_one(others: Others) -> None:
    other = await others.start("uniques")
    address = await skypy.uniqueservice("single", "first")
    await started_once(others, address)
    assert await skypy.uniqueservice("single", "second") == address
    assert await skypy.call(other, "unique", "single", "third") == address
    assert await skypy.queryservice("single") == address
    assert await skypy.call(other, "query", "single") == address
    assert await skypy.call(address, "arguments") == ["first"]


async def test_many_questions_at_once_get_the_same_one(others: Others) -> None:
    several = [await others.start("uniques") for _ in range(4)]
    calls = [skypy.call(one, "unique", "single", number) for number, one in enumerate(several * 5)]
    addresses = set(await asyncio.gather(*calls, skypy.uniqueservice("single", 100)))
    assert len(addresses) == 1
    await started_once(others, addresses.pop())


async def test_a_query_waits_until_the_service_exists(others: Others) -> None:
    other = await others.start("uniques")
    queries = [asyncio.create_task(skypy.call(other, "query", "single")) for _ in range(3)]
    queries.append(asyncio.create_task(skypy.queryservice("single")))
    await skypy.call(other, "query_is_pending")
    assert not any(query.done() for query in queries)
    address = await skypy.uniqueservice("single", "slow")
    await started_once(others, address)
    assert await asyncio.gather(*queries) == [address] * 4


@skypy.command
def query_is_pending() -> None:
    """Let the queries that came before be answered first."""


async def test_a_query_can_be_given_up(others: Others) -> None:
    other = await others.start("uniques")
    await raises(TimeoutError, asyncio.wait_for(skypy.queryservice("single"), 0.01))
    await raises(TimeoutError, asyncio.wait_for(skypy.call(other, "query", "single"), 0.01))
    await started_once(others, await skypy.uniqueservice("single", "late"))


async def test_a_failure_is_everybodys_and_the_next_one_tries_again(others: Others) -> None:
    other = await others.start("uniques")
    query = asyncio.create_task(skypy.queryservice("single"))
    await asyncio.sleep(0)
    both = await asyncio.gather(
        skypy.uniqueservice("single", "fail"), skypy.call(other, "unique", "single", "fail"), return_exceptions=True
    )
    for error in (*both, await raises(skypy.ServiceError, query)):
        assert isinstance(error, skypy.ServiceError) or (
            isinstance(error, skypy.RemoteError) and error.type_name == "ServiceError"
        )
        assert 'service "single" failed to start' in str(error)
        assert "ValueError: asked to fail" in str(error)
    await started_once(others, await skypy.uniqueservice("single", "again"))


async def test_one_that_exits_in_its_start_is_a_failure(others: Others) -> None:
    other = await others.start("uniques")
    for _ in range(2):
        error = await raises(skypy.ServiceError, skypy.uniqueservice("single", "exit"))
        assert str(error) == 'service "single" has ended before its start function had finished'
    failure = await raises(skypy.RemoteError, skypy.call(other, "unique", "single", "exit"))
    assert failure.type_name == "ServiceError"
    await started_once(others, await skypy.uniqueservice("single", "again"))


async def test_after_its_end_a_new_one_is_started(others: Others) -> None:
    other = await others.start("uniques")
    first = await skypy.uniqueservice("single", 1)
    await skypy.kill(first)
    second = await skypy.call(other, "unique", "single", 2)
    assert second != first
    await started_once(others, second)
    assert await skypy.call(second, "arguments") == [2]


async def test_one_that_does_not_exist_fails(others: Others) -> None:
    other = await others.start("uniques")
    error = await raises(skypy.ServiceError, skypy.uniqueservice("singel"))
    assert 'no service "singel"' in str(error)
    assert 'did you mean "single"?' in str(error)
    failure = await raises(skypy.RemoteError, skypy.call(other, "unique", "singel"))
    assert 'no service "singel"' in failure.text


async def test_bad_names_and_arguments_are_refused(others: Others) -> None:
    del others
    for verb in (skypy.uniqueservice, skypy.queryservice):
        await raises(skypy.ServiceError, verb("no name"))
        await raises(skypy.ServiceError, verb("\ud800"))
        await refuses(verb, 1)
    await raises(TypeError, skypy.uniqueservice("single", object()))
    await raises(ValueError, skypy.uniqueservice("single", 1 << 64))
