"""The verbs of services: starting them, naming them, finding them, and ending them."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Literal

from skypy.core.address import Address, root_address
from skypy.core.errors import ActorDead, NoAddressLeft, RemoteError, ServiceError
from skypy.core.wire.control_lane import QUERY_SERVICE, UNIQUE_SERVICE
from skypy.core.wire.values import pack_arguments
from skypy.worker.services.launching import GIVE_UP_START, START_SERVICE
from skypy.worker.services.loader import check_service_name
from skypy.worker.worker import WorkerActor, current_actor

# -- starting --


async def newservice(
    name: str,
    /,
    *args: object,
    worker: int | Literal["here"] | None = None,
    restart: Literal["temporary"] = "temporary",
) -> Address:
    """Start a service, and return its address once its start function has finished.

    `worker` None is the worker with the fewest actors, "here" the caller's own, an int the one of this number, from 1.
    A worker that has given out all its addresses starts nothing more: then "here" means None. When this is cancelled,
    the service ends as well. Raises ServiceError with the cause if the service failed or exited meanwhile; TypeError
    and ValueError for bad arguments.
    """
    actor = current_actor()
    if restart != "temporary":
        raise ValueError(f'restart="{restart}" is not supported: a service that ends stays ended ("temporary")')
    check_service_name(name)
    packed = pack_arguments(args, {})
    waits = actor.worker.launching.waits.get(actor.address, [])
    waits.append(text := f'newservice("{name}")')
    try:
        return await _start(actor, name, packed, worker)
    finally:
        waits.remove(text)


async def _start(actor: WorkerActor, name: str, packed_arguments: bytes, worker: object) -> Address:
    own = actor.worker
    if worker == "here":
        try:
            return await own.launching.launch(name, packed_arguments)
        except NoAddressLeft:
            worker = None
    if worker is None:
        return await _launch_anywhere(actor, name, packed_arguments)
    _check_worker(worker, own.settings.workers)
    unwanted = partial(own.calls.end_unwanted, actor.address)
    address: Address = await own.node_link.ask_for_service(unwanted, worker, name, packed_arguments)
    return address


async def _launch_anywhere(actor: WorkerActor, name: str, packed_arguments: bytes) -> Address:
    """Start a service on the worker that there is a reservation for, or on the next one if that has no address left."""
    own = actor.worker
    while True:
        process_number = await own.reservations.take()
        try:
            if process_number == own.process_number:
                return await own.launching.launch(name, packed_arguments, process_number)
            return await _launch_elsewhere(actor, process_number, name, packed_arguments)
        except NoAddressLeft:
            own.reservations.drop(process_number)


async def _launch_elsewhere(actor: WorkerActor, process_number: int, name: str, packed_arguments: bytes) -> Address:
    """Start a service on another worker. When this is cancelled, the service ends there too."""
    own = actor.worker
    number = (own.process_number, next(own.launching.numbers))
    fields = (name, packed_arguments, *number)
    root = root_address(process_number)
    try:
        address = await own.calls.start_elsewhere(actor.address, root, START_SERVICE, fields, GIVE_UP_START, number)
    except RemoteError as error:
        kind = NoAddressLeft if error.type_name == NoAddressLeft.__name__ else ServiceError
        raise kind(error.text or error.type_name) from None
    except ActorDead as error:
        raise ServiceError(error.reason.replace("its process", "its worker")) from None
    return address


def _check_worker(worker: object, workers: int) -> None:
    if not isinstance(worker, int):
        raise TypeError(f'worker={worker!r}: it is None, "here" or the number of a worker')
    if not 1 <= worker <= workers:
        raise ServiceError(f"there is no worker {worker}: this node has workers 1 to {workers}")


async def uniqueservice(name: str, /, *args: object) -> Address:
    """Return the address of the one instance of a service in this node; the first call starts it.

    Raises ServiceError if the start fails; TypeError and ValueError for bad arguments.
    """
    return await _unique(UNIQUE_SERVICE, name, pack_arguments(args, {}))


async def queryservice(name: str, /) -> Address:
    """Return the address of the one instance of a service in this node, once `uniqueservice` has started it.

    Raises ServiceError if the start fails, TypeError if the name is not a str.
    """
    return await _unique(QUERY_SERVICE, name)


async def _unique(verb: str, name: str, *arguments: bytes) -> Address:
    check_service_name(name)
    actor = current_actor()
    own = actor.worker
    known = own.directory.find_unique(name)
    if known is not None:
        return known
    waits = own.launching.waits.get(actor.address, [])
    waits.append(text := f'{verb}("{name}")')
    try:
        address: Address = await own.node_link.ask(verb, name, *arguments)
    finally:
        waits.remove(text)
    return address


# -- names --


def register(name: str) -> None:
    """Give the current actor a name in this node, like ".store".

    Holds up its worker until the node has answered, for at most a second. Raises NameTaken when another actor has it,
    ServiceError when the node does not answer in time, RuntimeError when the end of the current actor has begun,
    ValueError and TypeError for a bad name.
    """
    actor = current_actor()
    if actor.ended is not None:
        raise RuntimeError("the actor ends: it can have no new name")
    actor.worker.directory.register(name, actor.address)


def query(name: str) -> Address | None:
    """Return the address of the actor with this name, or None. Raises ValueError and TypeError for a bad name."""
    return current_actor().worker.directory.find(name)


def address(text: str) -> Address:
    """Return the address that a text means: `:0100000a`, or `.name`.

    Raises ActorDead when no actor has the name, ValueError for a text that is neither.
    """
    return current_actor().worker.directory.resolve(text)


# -- the end of others --


async def kill(address: Address | str) -> None:
    """End an actor, as `exit` does, and wait until it has ended. Does nothing when it has ended already.

    Raises ActorDead when no actor has the name, ValueError and TypeError for a bad address.
    """
    actor = current_actor()
    worker = actor.worker
    target = worker.directory.resolve(address)
    if target == actor.address:
        worker.endings.kill(actor)
        raise asyncio.CancelledError("the actor kills itself")
    await worker.calls.kill(actor.address, target)
