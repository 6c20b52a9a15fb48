"""A worker that does not read: its senders are told when its mailbox is full, and it catches up when it goes on."""

import pytest

from tests.contract.conftest import Place

FULL = "67108864 bytes are under way to worker process 2"

pytestmark = pytest.mark.skypy(workers=3, service_path=["../actors/services"])


async def test_a_flood_is_refused_and_everything_goes_on_afterwards(place: Place) -> None:
    flooder = await place.newservice("flooder", worker=1)
    place.suspend_worker(2)
    flood = await place.call(flooder, "flood")
    assert await place.call(flooder, "time_limit") == "TimeoutError: "
    place.resume_worker(2)
    assert 50 < flood["count"] < 68
    assert flood["send"] == FULL
    assert flood["call"] == f"MailboxFull: {FULL}"
    assert flood["others"] == [True, True]
    drained = await place.call(flooder, "drained")
    assert drained["early"] is True
    assert drained["arrived"] == list(range(flood["count"]))
    assert drained["room"] == {"None": 200}


async def test_replies_that_are_too_much_become_errors_and_no_caller_waits_for_ever(place: Place) -> None:
    flooder = await place.newservice("flooder", worker=1)
    await place.call(flooder, "ask_for_replies")
    place.suspend_worker(2)
    await place.call(flooder, "open_gate")
    place.resume_worker(2)
    replies = await place.call(flooder, "replies")
    full = next(text for text in replies if "MailboxFull" in text)
    assert full.startswith(f"RemoteError('MailboxFull', '{FULL}'")
    assert replies["1000000"] > 50
    assert sum(replies.values()) == 120
