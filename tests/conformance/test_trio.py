"""trio's kit for half-closeable streams over skypy's own verbs, from inside a service."""

from tests.conformance.conftest import CONFIG
from tests.conformance.subject import RESET_LINE
from tests.node.harness import running


def test_trios_kit_for_half_closeable_streams_over_the_verbs_of_sockets() -> None:
    # The kit sends to an end that has been closed until that fails: at the end of `linger`.
    with running(CONFIG, "start=trio_stream", "socket.linger=0.1") as node:
        node.allow_trouble(RESET_LINE)
        node.wait_for_line(r"trio's kit has passed$")
