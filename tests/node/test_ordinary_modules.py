"""A service is an ordinary Python module, wherever its file is: what it says must all be there."""

import shutil
from collections.abc import Iterator

import pytest

from tests.node.harness import SERVICES, running


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The lines of a node whose config and service are nowhere near skypy."""
    folder = tmp_path_factory.mktemp("outside")
    services = folder / "some where" / "else" / "deep"
    config = folder / "config" / "node.toml"
    services.mkdir(parents=True)
    config.parent.mkdir()
    shutil.copy(SERVICES / "ordinary.py", services)
    config.write_text('start = "deep/ordinary one two"\nservice_path = ["../some where/else"]\n')
    with running(config, cwd=folder) as node:
        node.expect_trouble(r"^\[:01000001\] .*else/deep/ordinary\.py:\d+: UserWarning: this is odd$")
        node.expect_trouble(r'^\[:01000001\]   warnings\.warn\("this is odd", stacklevel=1\)$')
        yield node.lines


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("started 1 time with ('one', 'two')", id="arguments are strings"),
        pytest.param("fields ['x', 'y', 'color']", id="ClassVar and InitVar in string annotations are no fields"),
        pytest.param("point Point(x=3, y=2, color=<Color.RED: 'red'>)", id="data classes and enums"),
        pytest.param("flags <Flag.LOUD|FAST: 3>", id="flags"),
        pytest.param("hints True", id="get_type_hints finds the classes of the module"),
        pytest.param(
            'model {"name":"a","color":"red","children":[{"name":"b","color":"red","children":[]}]}',
            id="a pydantic model that refers to itself",
        ),
        pytest.param("pickled True", id="objects and functions of the module are pickled"),
        pytest.param("source def hints(say: Callable[..., None]) -> None:", id="inspect finds the source"),
        pytest.param("module deep/ordinary@01000001", id="inspect finds the module"),
        pytest.param("a library speaks", id="loggers of libraries"),
        pytest.param("the root logger speaks", id="the root logger"),
        pytest.param("two", id="the first of two lines"),
        pytest.param(r"lines and a \x1b[31mred one", id="the second line, whose control characters are escaped"),
        pytest.param("name deep/ordinary@01000001, module there: True", id="the module is in sys.modules"),
    ],
)
def test_it_is_in_the_log_behind_the_address_of_the_service(log: list[str], line: str) -> None:
    assert log.count(f"[:01000001] {line}") == 1


@pytest.mark.parametrize("line", ["printed line", "printed to stderr", "half a line, the other half"])
def test_printed_text_is_in_the_log_unchanged(log: list[str], line: str) -> None:
    assert log.count(line) == 1


def test_records_below_the_level_of_the_log_are_not_there(log: list[str]) -> None:
    assert not [line for line in log if "not heard" in line]


def test_a_helper_module_beside_it_is_imported_in_the_ordinary_way() -> None:
    with running("helped") as node:
        node.wait_for_line(r"^\[:01000001\] hello from the helper$")
