"""An actor ends the whole node."""

from tests.actors.harness import RunningNode


def test_shutdown_node_ends_everything_in_order() -> None:
    node = RunningNode("ender", "workers=2")
    try:
        assert node.wait() == 0
        node.wait_for_line(r"^\[node\] stopping: :02000001 has asked for it$")
        for process in (1, 2):
            node.wait_for_line(rf"^\[:0{process}000001\] the stop function runs$")
        assert node.trouble([]) == []
    finally:
        node.kill()
