"""Actors by hand: a task that reads a queue and sets a future.

python -m benchmarks.actors.asyncio_queue ACTIVITY WIDTH SECONDS [uvloop]
"""

import asyncio
import itertools
import sys

from benchmarks.actors.measuring import rate, report

Message = tuple[int, asyncio.Future[int] | None]
SENDS_BETWEEN_CALLS = {1: 1000, 100: 100}


async def serve(mailbox: asyncio.Queue[Message]) -> None:
    while True:
        value, reply = await mailbox.get()
        if reply is not None:
            reply.set_result(value)


async def main(activity: str, width: int, seconds: float) -> None:
    mailboxes: list[asyncio.Queue[Message]] = [
        asyncio.Queue() for _ in range(width if activity == "call-in-turn" else 1)
    ]
    actors = [asyncio.create_task(serve(mailbox)) for mailbox in mailboxes]
    mailbox = mailboxes[0]
    turns = itertools.cycle(mailboxes)
    loop = asyncio.get_running_loop()

    async def call() -> int:
        reply: asyncio.Future[int] = loop.create_future()
        mailbox.put_nowait((1, reply))
        return await reply

    async def call_next() -> int:
        reply: asyncio.Future[int] = loop.create_future()
        next(turns).put_nowait((1, reply))
        return await reply

    async def send_some() -> None:
        for _ in range(SENDS_BETWEEN_CALLS[width]):
            mailbox.put_nowait((1, None))
        await call()

    if activity == "send":
        report(await rate(send_some, width, seconds, between_looks=1) * SENDS_BETWEEN_CALLS[width])
    elif activity == "call-in-turn":
        report(await rate(call_next, 1, seconds))
    else:
        report(await rate(call, width, seconds))
    for actor in actors:
        actor.cancel()


if __name__ == "__main__":
    job = main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
    if sys.argv[4:] == ["uvloop"]:
        import uvloop

        uvloop.run(job)
    else:
        asyncio.run(job)
