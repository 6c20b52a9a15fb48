"""An actor that tells what its worker holds."""

import gc

import skypy
from tests.actors.scenarios import here

PATIENCE_SECONDS = 5.0


@skypy.command
def actors() -> int:
    """Return the number of actors that live here."""
    return len(here().actors)


@skypy.command
async def what_is_left(actors: int) -> dict[str, int]:
    """Return what is there, after a while, beyond a number of actors."""
    worker = here()
    for _ in range(int(PATIENCE_SECONDS / 0.01)):
        left = {"actors": len(worker.actors) - actors, "calls": len(worker.sessions)}
        if not any(left.values()):
            return {}
        await skypy.sleep(0.01)
    return left


@skypy.command
def say(text: str) -> None:
    """Log a line, behind everything that this worker has logged."""
    gc.collect()  # errors that no task has retrieved are logged now
    skypy.log.info("%s", text)
