"""The node as launcher of services and as directory: driven directly, without processes."""

from typing import Any

import pytest

from skypy.core.address import Address, make_address
from skypy.core.wire.control_lane import ANSWER, END_LAUNCH, LAUNCH, NAMES, REFUSAL
from skypy.node.directory import Directory
from skypy.node.launcher import WORKER_DIED, Launcher
from skypy.node.questions import Questions

ARGUMENTS = b"packed"


class Stage:
    """A launcher, a directory, the workers 1 and 2 as processes 11 and 12, and the messages that each has been sent."""

    def __init__(self) -> None:
        self.workers = {1: 11, 2: 12}
        self.told: dict[int, list[tuple[Any, ...]]] = {11: [], 12: []}
        self.launcher = Launcher(self.workers, self._send)
        self.directory = Directory(self.told, self._send, self.launcher, {"a": "b"})
        self._questions = Questions(self.launcher, self.directory, self._send)
        self._tickets = 0

    def _send(self, number: int, message: tuple[Any, ...]) -> None:
        self.told[number].append(message)

    def ask(self, number: int, verb: str, *arguments: Any) -> int:
        """Ask as a worker; return the ticket of the question."""
        self._tickets += 1
        self._questions.ask(number, self._tickets, verb, *arguments)
        return self._tickets

    def answers(self, number: int, ticket: int) -> list[Any]:
        """Return the answers that a worker got to a question."""
        return [fields for kind, asked, *fields in self.told[number] if kind in (ANSWER, REFUSAL) and asked == ticket]

    def launches(self, number: int) -> list[int]:
        """Return the launch ids that a worker was sent."""
        return [message[1] for message in self.told[number] if message[0] == LAUNCH]

    def start(self, asker: int, worker: int | None, index: int) -> Address:
        """Start a service whose actor is born; return its address."""
        before = {number: len(self.launches(number)) for number in self.told}
        self.ask(asker, "newservice", worker, "echo", ARGUMENTS)
        (number,) = [number for number in self.told if len(self.launches(number)) > before[number]]
        address = make_address(number, index)
        self.launcher.actor_born(address, 0)
        self.launcher.launched(self.launches(number)[-1], address)
        return address

    def replace(self, worker: int, number: int) -> None:
        """Let a worker die and have a successor."""
        died = self.workers[worker]
        del self.told[died]
        self.directory.worker_died(died)
        self.workers[worker] = number
        self.told[number] = []
        self.directory.worker_started(number)
        self.launcher.worker_died(died, "was killed")

    def names(self, number: int) -> dict[str, Address | None]:
        """Return what a worker knows of names: the changes of which it was told, one after the other."""
        known: dict[str, Address | None] = {}
        for kind, *fields in self.told[number]:
            if kind == NAMES:
                known |= fields[1]
        return known

    def actor_ends(self, address: Address) -> None:
        """Let an actor end."""
        self.launcher.actor_ended(address)
        self.directory.actor_ended(address)


@pytest.fixture
def stage() -> Stage:
    return Stage()


# -- placement ---------------------------------------------------------------------------------------------------------


def test_a_service_starts_on_the_worker_with_the_fewest_actors(stage: Stage) -> None:
    placed = [stage.start(11, None, index) >> 24 for index in range(1, 5)]
    assert placed == [11, 12, 11, 12]
    stage.actor_ends(make_address(12, 2))
    stage.actor_ends(make_address(12, 4))
    assert [stage.start(11, None, index) >> 24 for index in (5, 6)] == [12, 12]


def test_services_that_are_being_started_count_as_well(stage: Stage) -> None:
    for _ in range(4):
        stage.ask(11, "newservice", None, "echo", ARGUMENTS)
    assert (len(stage.launches(11)), len(stage.launches(12))) == (2, 2)


def test_a_launch_that_failed_counts_no_more(stage: Stage) -> None:
    ticket = stage.ask(12, "newservice", None, "echo", ARGUMENTS)
    stage.launcher.launch_failed(stage.launches(11)[0], "start", "it is broken")
    assert stage.answers(12, ticket) == [["ServiceError", "it is broken"]]
    stage.ask(12, "newservice", None, "echo", ARGUMENTS)
    assert len(stage.launches(11)) == 2


def test_a_service_starts_on_the_worker_that_was_named(stage: Stage) -> None:
    assert [stage.start(11, 2, index) >> 24 for index in (1, 2, 3)] == [12, 12, 12]


def reserve(stage: Stage, asker: int) -> list[int]:
    (answer,) = stage.answers(asker, stage.ask(asker, "reserve"))
    assert isinstance(answer[0], list)
    return answer[0]


def test_a_worker_has_one_reservation_at_a_time_as_long_as_there_are_few_actors(stage: Stage) -> None:
    placed = []
    for index in range(1, 5):
        (number,) = reserve(stage, 11)
        stage.launcher.actor_born(make_address(number, index), 11)
        placed.append(number)
    assert placed == [11, 12, 11, 12]


def test_a_reservation_is_part_of_the_load_until_an_actor_is_born_there(stage: Stage) -> None:
    assert [reserve(stage, asker) for asker in (11, 12, 11, 12)] == [[11], [12], [11], [12]]
    stage.launcher.actor_born(make_address(12, 1), 11)  # which had no reservation there
    assert reserve(stage, 12) == [11]


def test_a_reservation_for_a_service_that_could_not_be_loaded_is_taken_back(stage: Stage) -> None:
    assert reserve(stage, 12) == [11]
    stage.launcher.end_reservation(11, 12)
    stage.launcher.end_reservation(11, 12)
    assert reserve(stage, 12) == [11]


def test_a_worker_has_several_reservations_when_there_are_many_actors(stage: Stage) -> None:
    for index in range(1, 33):
        stage.launcher.actor_born(make_address(11, index), 0)
        stage.launcher.actor_born(make_address(12, index), 0)
    assert reserve(stage, 11) == [11, 12, 11]


def test_the_reservations_of_a_worker_that_dies_are_taken_back(stage: Stage) -> None:
    assert [reserve(stage, 12) for _ in range(4)] == [[11], [12], [11], [12]]
    stage.replace(2, 13)
    assert [reserve(stage, 11) for _ in range(2)] == [[11], [13]]


def test_a_new_worker_has_no_actors(stage: Stage) -> None:
    for index in range(1, 5):
        stage.start(11, None, index)
    stage.replace(2, 13)
    assert [stage.start(11, None, index) >> 24 for index in (5, 6)] == [13, 13]


# -- the ends of launches ----------------------------------------------------------------------------------------------


def test_the_worker_that_asked_gets_the_address(stage: Stage) -> None:
    ticket = stage.ask(12, "newservice", 1, "echo", ARGUMENTS)
    assert stage.told[11] == [(LAUNCH, 1, "echo", ARGUMENTS)]
    assert stage.answers(12, ticket) == []
    stage.launcher.launched(1, make_address(11, 1))
    assert stage.answers(12, ticket) == [[make_address(11, 1)]]


def test_a_service_that_exits_while_starting_has_failed(stage: Stage) -> None:
    ticket = stage.ask(12, "newservice", 1, "echo", ARGUMENTS)
    stage.launcher.launched(1, 0)
    text = 'service "echo" has ended before its start function had finished'
    assert stage.answers(12, ticket) == [["ServiceError", text]]


def test_a_launch_on_a_worker_that_died_has_failed(stage: Stage) -> None:
    outcomes: list[tuple[str, str]] = []
    stage.launcher.launch(2, "echo", ARGUMENTS, lambda _: None, lambda *failure: outcomes.append(failure))
    here, there = stage.ask(11, "newservice", 1, "echo", ARGUMENTS), stage.ask(11, "newservice", 2, "echo", ARGUMENTS)
    stage.replace(2, 13)
    assert outcomes == [(WORKER_DIED, "its worker was killed")]
    assert stage.answers(11, here) == []
    assert stage.answers(11, there) == [["ServiceError", "its worker was killed"]]


def test_a_launch_on_a_worker_that_has_stopped_is_refused_while_the_node_stops(stage: Stage) -> None:
    del stage.workers[2]
    stage.launcher.worker_died(12, "ended with exit status 0")
    there, anywhere = stage.ask(11, "newservice", 2, "echo", ARGUMENTS), stage.ask(11, "newservice", None, "echo", b"")
    refusal = "worker 2 does not run: its process has ended, and no other has taken its place"
    assert stage.answers(11, there) == [["ServiceError", refusal]]
    assert stage.answers(11, anywhere) == []
    assert len(stage.launches(11)) == 1


def test_nothing_starts_when_all_workers_have_stopped(stage: Stage) -> None:
    stage.workers.clear()
    tickets = [
        stage.ask(11, "newservice", None, "echo", ARGUMENTS),
        stage.ask(11, "uniqueservice", "store", ARGUMENTS),
        stage.ask(11, "reserve"),
    ]
    refusal = ["ServiceError", "no worker runs: its process has ended, and no other has taken its place"]
    assert [stage.answers(11, ticket) for ticket in tickets] == [[refusal]] * 3


# -- unique services ---------------------------------------------------------------------------------------------------


def test_a_unique_service_is_started_once_for_all_questions(stage: Stage) -> None:
    asked = [(number, stage.ask(number, "uniqueservice", "store", ARGUMENTS)) for number in (11, 12, 12)]
    asked.append((11, stage.ask(11, "queryservice", "store")))
    assert len(stage.launches(11) + stage.launches(12)) == 1
    stage.launcher.launched(1, make_address(11, 1))
    assert [stage.answers(*one) for one in asked] == [[[make_address(11, 1)]]] * 4
    assert stage.answers(12, stage.ask(12, "uniqueservice", "store", ARGUMENTS)) == [[make_address(11, 1)]]
    assert len(stage.launches(11) + stage.launches(12)) == 1


def test_a_query_of_a_unique_service_waits_until_it_is_started(stage: Stage) -> None:
    ticket = stage.ask(12, "queryservice", "store")
    assert stage.launches(11) + stage.launches(12) == []
    stage.ask(11, "uniqueservice", "store", ARGUMENTS)
    assert stage.answers(12, ticket) == []
    stage.launcher.launched(1, make_address(11, 1))
    assert stage.answers(12, ticket) == [[make_address(11, 1)]]


@pytest.mark.parametrize("how", ["fails", "exits", "worker dies"])
def test_all_questions_for_a_unique_service_learn_why_it_did_not_start_and_the_next_starts_it_again(
    stage: Stage, how: str
) -> None:
    waiting = [stage.ask(12, "queryservice", "store"), stage.ask(12, "uniqueservice", "store", ARGUMENTS)]
    if how == "fails":
        stage.launcher.launch_failed(1, "start", "it is broken")
    elif how == "exits":
        stage.launcher.launched(1, 0)
    else:
        stage.replace(1, 13)
    assert [[error for error, _ in stage.answers(12, ticket)] for ticket in waiting] == [["ServiceError"]] * 2
    again = stage.ask(12, "uniqueservice", "store", ARGUMENTS)
    stage.launcher.launched(2, make_address(12, 1))
    assert stage.answers(12, again) == [[make_address(12, 1)]]


@pytest.mark.parametrize("how", ["ends", "worker dies"])
def test_a_unique_service_that_is_gone_is_started_again(stage: Stage, how: str) -> None:
    stage.ask(12, "uniqueservice", "store", ARGUMENTS)
    stage.launcher.actor_born(make_address(11, 1), 0)
    stage.launcher.launched(1, make_address(11, 1))
    if how == "ends":
        stage.actor_ends(make_address(11, 1))
    else:
        stage.replace(1, 13)
    query, again = stage.ask(12, "queryservice", "store"), stage.ask(12, "uniqueservice", "store", ARGUMENTS)
    stage.launcher.launched(2, make_address(12, 1))
    assert stage.answers(12, query) == stage.answers(12, again) == [[make_address(12, 1)]]


# -- starts that are given up ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("too_late", [True, False])
def test_a_start_that_is_given_up_ends_in_its_worker_and_is_answered_all_the_same(
    stage: Stage, *, too_late: bool
) -> None:
    ticket = stage.ask(11, "newservice", 2, "echo", ARGUMENTS)
    stage.ask(11, "give up", ticket)
    assert stage.told[12][-1] == (END_LAUNCH, 1)
    if too_late:
        stage.launcher.launched(1, make_address(12, 1))
        assert stage.answers(11, ticket) == [[make_address(12, 1)]]
    else:
        stage.launcher.launch_failed(1, "start", "the start was given up")
        assert stage.answers(11, ticket) == [["ServiceError", "the start was given up"]]


def test_a_start_that_has_ended_cannot_be_given_up_nor_one_of_another_worker(stage: Stage) -> None:
    ticket = stage.ask(11, "newservice", 2, "echo", ARGUMENTS)
    stage.ask(12, "give up", ticket)
    stage.launcher.launched(1, make_address(12, 1))
    stage.ask(11, "give up", ticket)
    assert END_LAUNCH not in [message[0] for message in stage.told[12]]


# -- names and the entries of [env] ------------------------------------------------------------------------------------


def test_all_workers_are_told_of_a_name_before_its_owner_is(stage: Stage) -> None:
    address = make_address(11, 1)
    ticket = stage.ask(11, "register", ".store", address)
    told = (NAMES, 1, {".store": address})
    assert stage.told == {11: [told, (ANSWER, ticket, None)], 12: [told]}


def test_a_new_worker_is_told_all_names_and_the_number_of_the_last_change(stage: Stage) -> None:
    for number, name in enumerate((".a", ".b", ".c"), 1):
        stage.ask(12, "register", name, make_address(12, number))
    stage.actor_ends(make_address(12, 2))
    stage.replace(1, 13)
    assert stage.told[13] == [(NAMES, 4, {".a": make_address(12, 1), ".c": make_address(12, 3)})]


def test_all_workers_are_told_of_a_unique_service_before_those_that_wait_for_it(stage: Stage) -> None:
    ticket = stage.ask(12, "uniqueservice", "store", ARGUMENTS)
    address = make_address(11, 1)
    stage.launcher.launched(1, address)
    assert stage.told[12][-2:] == [(NAMES, 1, {"store": address}), (ANSWER, ticket, address)]
    assert stage.names(11) == {"store": address}


def test_a_name_that_came_too_late_is_free_again(stage: Stage) -> None:
    stage.ask(11, "register", ".store", make_address(11, 1))
    stage.ask(12, "withdraw", ".store", make_address(12, 1))
    assert stage.names(12) == {".store": make_address(11, 1)}
    stage.ask(11, "withdraw", ".store", make_address(11, 1))
    assert stage.names(12) == stage.names(11) == {".store": None}


def test_a_taken_name_is_refused(stage: Stage) -> None:
    stage.ask(11, "register", ".store", make_address(11, 1))
    ticket = stage.ask(12, "register", ".store", make_address(12, 1))
    assert stage.answers(12, ticket) == [["NameTaken", 'the name ".store" belongs to :0b000001']]


@pytest.mark.parametrize("how", ["ends", "is forgotten", "worker dies"])
def test_a_name_is_free_when_its_owner_is_gone_and_all_are_told(stage: Stage, how: str) -> None:
    stage.ask(11, "register", ".store", make_address(11, 1))
    if how == "ends":
        stage.actor_ends(make_address(11, 1))
    elif how == "is forgotten":
        stage.ask(12, "free names", make_address(11, 1))
    else:
        stage.replace(1, 13)
    assert stage.names(12) == {".store": None}
    stage.ask(12, "register", ".store", make_address(12, 1))
    assert stage.names(12) == {".store": make_address(12, 1)}


def test_an_entry_of_env_is_set_once(stage: Stage) -> None:
    assert stage.answers(11, stage.ask(11, "getenv", "c")) == [[None]]
    assert stage.answers(11, stage.ask(11, "setenv", "c", "d")) == [[True]]
    assert stage.answers(12, stage.ask(12, "setenv", "c", "d")) == [[False]]
    assert stage.answers(12, stage.ask(12, "setenv", "a", "x")) == [[False]]
    assert [stage.answers(12, stage.ask(12, "getenv", key)) for key in "ac"] == [[["b"]], [["d"]]]
