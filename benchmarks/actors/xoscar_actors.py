"""xoscar. python -m benchmarks.actors.xoscar_actors ACTIVITY WIDTH SECONDS"""

import asyncio
import itertools
import sys

import xoscar
from xoscar.backends.allocate_strategy import ProcessIndex

from benchmarks.actors.measuring import rate, report

SENDS_BETWEEN_CALLS = {1: 1000, 100: 100}


class Target(xoscar.StatelessActor):
    def plain(self, value: int) -> int:
        return value

    async def coroutine(self, value: int) -> int:
        return value


async def main(activity: str, width: int, seconds: float) -> None:
    pool = await xoscar.create_actor_pool("127.0.0.1", n_process=1)
    async with pool:
        where = ProcessIndex(1 if activity == "call-across" else 0)
        target = await xoscar.create_actor(Target, address=pool.external_address, allocate_strategy=where)

        async def send_some() -> None:
            for _ in range(SENDS_BETWEEN_CALLS[width]):
                await target.plain.tell(1)
            await target.plain(1)

        if activity == "send":
            report(await rate(send_some, width, seconds, between_looks=1) * SENDS_BETWEEN_CALLS[width])
        elif activity == "call-in-turn":
            more = [
                await xoscar.create_actor(Target, address=pool.external_address, allocate_strategy=where)
                for _ in range(width)
            ]
            turns = itertools.cycle(more)
            report(await rate(lambda: next(turns).plain(1), 1, seconds))
        elif activity == "call-coroutine":
            report(await rate(lambda: target.coroutine(1), width, seconds))
        else:
            report(await rate(lambda: target.plain(1), width, seconds))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
