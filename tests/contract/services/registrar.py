"""An actor that takes names, looks for them, and ends."""

import skypy


@skypy.start
def main(*names: str) -> None:
    take(list(names))


@skypy.command
def take(names: list[str]) -> None:
    for name in names:
        skypy.register(name)


@skypy.command
def try_to_take(name: str) -> str:
    try:
        skypy.register(name)
    except skypy.ServiceError as error:
        return str(error)
    return ""


@skypy.command
def find(name: str) -> int | None:
    return skypy.query(name)


@skypy.command
def leave() -> None:
    skypy.exit()


@skypy.command
def who() -> int:
    return skypy.self()


@skypy.command
async def bury(address: int | str, names: list[str]) -> list[int | None]:
    """Let an actor end, and return who has its names when that is known."""
    try:
        await skypy.call(address, "leave")
    except skypy.ActorDead:
        return [skypy.query(name) for name in names]
    raise AssertionError("it has not ended")


@skypy.command
async def succeed(address: int, name: str) -> int:
    """Let an actor end, and have its name."""
    try:
        await skypy.call(address, "leave")
    except skypy.ActorDead:
        skypy.register(name)
    return await skypy.call(name, "who")  # type: ignore[no-any-return]


@skypy.command
async def pass_on(address: int, command: str, name: str) -> object:
    return await skypy.call(address, command, name)


@skypy.command
async def renew(name: str) -> list[int]:
    """Let a unique service end and ask for the next one at once."""
    first = await skypy.uniqueservice(name)
    try:
        await skypy.call(first, "leave")
    except skypy.ActorDead:
        return [first, await skypy.uniqueservice(name)]
    raise AssertionError("it has not ended")


@skypy.stop
def register_at_the_end() -> None:
    try:
        skypy.register(".too late")
    except RuntimeError:
        return
    raise AssertionError("an actor that ends has got a name")
