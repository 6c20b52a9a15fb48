"""The rules of the layout: who imports whom, what stays out of which process, how large things may get."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "skypy"
SERVICES = [*(ROOT / "services").rglob("*.py"), *(PACKAGE / "testing" / "services").rglob("*.py")]
MODULES = sorted(set(PACKAGE.rglob("*.py")) - set(SERVICES))
FACADES = {"skypy", "skypy.api", "skypy.socket", "skypy.testing"}
RANK = {
    "version": 0,
    "core": 0,
    "system": 1,
    "lane": 2,
    "net": 3,
    "bus": 3,
    "worker": 3,
    "config": 3,
    "node": 4,
    "cli": 5,
    "testing": 5,
    "__main__": 6,
}
ONLY_IMPORTER = {
    "msgpack": {"skypy/core/wire/codec.py"},
    "setproctitle": {"skypy/node/process.py", "skypy/node/node.py"},
}
NOT_IN_CORE = {"asyncio", "ctypes", "os", "select", "signal", "socket", "subprocess", "threading", "time"}
LONGEST_FILE_LINES = 500
LONGEST_FUNCTION_LINES = 80


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def runtime_imports(tree: ast.Module) -> Iterator[str]:
    """What a module imports when it is loaded or used; blocks for the type checker alone are left out."""
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            todo.extend(node.orelse)
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None, "relative imports hide the layer"
            yield node.module
        todo.extend(ast.iter_child_nodes(node))


IMPORTS = {path: set(runtime_imports(ast.parse(path.read_text()))) for path in MODULES}


def test_layers_import_downwards_only_and_siblings_not_at_all() -> None:
    for path, imports in IMPORTS.items():
        if name_of(path) in FACADES:
            continue
        own = name_of(path).split(".")[1]
        for imported in imports:
            if imported.startswith("skypy."):
                other = imported.split(".")[1]
                assert other == own or RANK[other] < RANK[own], f"{path} imports {imported}"


def test_no_module_inside_names_the_facades() -> None:
    for path, imports in IMPORTS.items():
        assert not imports & FACADES, f"{path} imports {imports & FACADES}"


def test_the_core_does_no_input_or_output_and_knows_no_clock() -> None:
    for path, imports in IMPORTS.items():
        if name_of(path).startswith("skypy.core"):
            assert not {name.split(".")[0] for name in imports} & NOT_IN_CORE, path


@pytest.mark.parametrize("library", ONLY_IMPORTER)
def test_a_library_is_imported_in_one_place(library: str) -> None:
    importers = {str(path.relative_to(ROOT)) for path, imports in IMPORTS.items() if library in imports}
    assert importers == ONLY_IMPORTER[library]


def test_click_stays_in_the_command_line() -> None:
    importers = {path.parent.name for path, imports in IMPORTS.items() if "click" in imports}
    assert importers == {"cli"}


def test_epoll_is_named_in_one_file() -> None:
    assert [path.name for path in MODULES if "select.epoll" in path.read_text()] == ["poller.py"]


def test_shipped_services_use_the_public_modules_only() -> None:
    for path in SERVICES:
        allowed = FACADES | (
            {"skypy.core.wire.values"} if path.name == "skypy_hand.py" else set()
        )  # what messages carry
        for imported in runtime_imports(ast.parse(path.read_text())):
            assert imported in allowed or imported.split(".")[0] in sys.stdlib_module_names, f"{path}: {imported}"


def test_files_and_functions_stay_small() -> None:
    for path in MODULES:
        text = path.read_text()
        assert len(text.splitlines()) <= LONGEST_FILE_LINES, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                assert node.end_lineno - node.lineno < LONGEST_FUNCTION_LINES, f"{path}: {node.name}"


def public_names(facade: str) -> list[str]:
    """Every name that a facade offers."""
    module = importlib.import_module(facade)
    return [name for name in dir(module) if not name.startswith("_")]


def test_the_facade_offers_each_name_of_its_list() -> None:
    assert set(public_names("skypy")) == {*public_names("skypy.api"), "socket"}
    assert {"Address", "Queue", "Response", "Timeout", "call", "start"} <= set(public_names("skypy"))


def test_a_misspelled_name_is_an_attribute_error_and_a_private_one_loads_nothing() -> None:
    code = "import sys, skypy; print(hasattr(skypy, '__wrapped__'), 'skypy.api' in sys.modules, hasattr(skypy, 'slep'))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.split() == ["False", "False", "False"]


@pytest.mark.parametrize("facade", sorted(FACADES))
def test_public_functions_have_docstrings(facade: str) -> None:
    module = importlib.import_module(facade)
    for name in public_names(facade):
        value = getattr(module, name)
        assert not callable(value) or value.__doc__, f"{facade}.{name}"


LOADED_BY = {
    "skypy": {"asyncio", "msgpack", "click", "logging"},
    "skypy.testing.plugin": {"msgpack", "click"},
    "skypy.node.socket_process": {"asyncio", "click", "concurrent"},
    "skypy.node.worker_process": {"click"},
    "skypy.node.node": {"click"},
}


@pytest.mark.parametrize("module", LOADED_BY)
def test_a_process_does_not_load_what_it_must_not_have(module: str) -> None:
    code = f"import sys, {module}; print(*{{name.split('.')[0] for name in sys.modules}})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not LOADED_BY[module] & set(loaded)


def test_the_data_path_in_the_documentation_names_files_that_exist() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    stops = [word for word in text.replace("`", " ").split() if word.startswith("skypy/") and word.endswith(".py")]
    assert len(stops) >= 8
    for stop in stops:
        assert (ROOT / stop).is_file(), stop
