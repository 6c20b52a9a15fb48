"""The rules of the layout: the imports of each layer and process, and the calls to the operating system."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.sources import MODULES, PACKAGE, ROOT, SERVICES, name_of

FACADES = {"skypy", "skypy.api", "skypy.socket", "skypy.testing", "skypy.testing.api"}
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
WORKER_RANK = {
    "tasks": 0,
    "actors": 1,
    "node_link": 2,
    "messages": 3,
    "services": 3,
    "sockets": 3,
    "worker": 4,
    "forking": 5,
    "verbs": 5,
}
ONLY_IMPORTER = {
    "msgpack": {"skypy/core/wire/codec.py"},
    "setproctitle": {"skypy/system/this_process.py"},
}
SYSTEM_CALLS_ANYWHERE = {"system", "cli", "testing"}  # layers; the last two are programs beside the node
SYSTEM_MODULES: dict[str, set[str]] = {
    # Each module of the standard library that calls the operating system, and the names in it that do not.
    "ctypes": set(),
    "fcntl": set(),
    "mmap": set(),
    "multiprocessing": set(),
    "os": {"strerror", "path", "environ", "access", "W_OK", "stat", "stat_result"},  # of ordinary files and errnos
    "pty": set(),
    "resource": set(),
    "select": set(),
    "selectors": set(),
    "setproctitle": set(),
    "shutil": set(),
    "signal": set(),
    "socket": {"socket", "SocketType", "CMSG_SPACE", "inet_pton"},
    "subprocess": set(),
    "tempfile": set(),
    "termios": set(),
    "time": {"strftime", "localtime"},  # of a time that the kernel has told
}
NEVER_CALLED = {"socket.socket", "socket.SocketType"}  # classes that annotations name
NOT_IN_CORE = {"asyncio", "ctypes", "os", "select", "signal", "socket", "subprocess", "threading", "time"}


def runtime_imports(tree: ast.Module) -> Iterator[str]:
    """Yield the imports of a module when it is loaded or used, without those for the type checker alone."""
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


def all_imports(path: Path) -> Iterator[str]:
    """Yield the modules of skypy that a module imports, those for the type checker alone included."""
    names = {name_of(other) for other in MODULES}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            if node.module in names:
                yield node.module
            yield from (full for alias in node.names if (full := f"{node.module}.{alias.name}") in names)


def cycles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules that import each other, directly or through others (Tarjan's algorithm)."""
    found: list[list[str]] = []
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []

    def visit(name: str) -> None:
        order[name] = lowest[name] = len(order)
        stack.append(name)
        for other in sorted(graph[name]):
            if other not in order:
                visit(other)
                lowest[name] = min(lowest[name], lowest[other])
            elif other in stack:
                lowest[name] = min(lowest[name], order[other])
        if lowest[name] == order[name]:
            group = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(group) > 1 or name in graph[name]:
                found.append(sorted(group))

    for name in sorted(graph):
        if name not in order:
            visit(name)
    return found


def test_no_modules_import_each_other_not_even_for_the_type_checker() -> None:
    graph = {name_of(path): set(all_imports(path)) for path in MODULES if name_of(path) not in FACADES}
    graph = {name: {other for other in imports if other in graph} for name, imports in graph.items()}
    listed = [
        f"{name} imports {', '.join(sorted(graph[name] & set(group)))}" for group in cycles(graph) for name in group
    ]
    assert not listed, "modules import each other:\n" + "\n".join(listed)


def test_cycles_are_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}, "e": {"e"}, "f": set()}
    assert cycles(graph) == [["a", "b", "c"], ["e"]]


def test_layers_import_downwards_only_and_siblings_not_at_all() -> None:
    for path in MODULES:
        if name_of(path) in FACADES:
            continue
        own = name_of(path).split(".")[1]
        for imported in all_imports(path):
            if imported.startswith("skypy."):
                other = imported.split(".")[1]
                assert other == own or RANK[other] < RANK[own], f"{path} imports {imported}"


def test_the_parts_of_a_worker_import_downwards_only_and_siblings_not_at_all() -> None:
    for path, imports in IMPORTS.items():
        own = part_of_worker(name_of(path))
        for imported in imports:
            other = part_of_worker(imported)
            if own and other and own != other:
                assert WORKER_RANK[other] < WORKER_RANK[own], f"{path} imports {imported}"


def part_of_worker(module: str) -> str:
    """Return the folder or file of `skypy.worker` that a module belongs to, or "" for a module of another layer."""
    return module.split(".")[2] if module.startswith("skypy.worker.") else ""


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
    naming = {str(path.relative_to(PACKAGE)) for path in MODULES if re.search(r"(?i)\bepoll|EpollSel", code_of(path))}
    assert naming == {"system/poller.py"}


def code_of(path: Path) -> str:
    """The code of a module without its comments, docstrings and other texts."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = ""
    return ast.unparse(tree)


def system_names(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Each use of a name of a module that calls the operating system: the module and the name."""
    aliases: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            aliases |= {one.asname or one.name: one.name for one in node.names if one.name in SYSTEM_MODULES}
        elif isinstance(node, ast.ImportFrom) and node.module in SYSTEM_MODULES:
            yield from ((node.module, one.name) for one in node.names)
    called = {node.func for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in aliases:
            module = aliases[node.value.id]
            yield module, f"{node.attr}()" if node in called and f"{module}.{node.attr}" in NEVER_CALLED else node.attr


def calls_the_system(module: str, name: str) -> bool:
    """Constants do not, nor what SYSTEM_MODULES names."""
    is_constant = module in ("socket", "signal") and name.isupper()
    return not is_constant and name not in SYSTEM_MODULES.get(module, set())


def test_the_operating_system_is_called_in_system_alone() -> None:
    calls = [
        f"{name_of(path)}: {module}.{name}"
        for path in MODULES
        if name_of(path).split(".")[1:2] and name_of(path).split(".")[1] not in SYSTEM_CALLS_ANYWHERE
        for module, name in system_names(ast.parse(path.read_text()))
        if calls_the_system(module, name)
    ]
    assert calls == []


def test_the_rule_about_system_calls_sees_them() -> None:
    source = "import os, socket as kernel\nfrom time import monotonic\nimport socket\n"
    source += "os.close(1); os.strerror(2); kernel.AF_INET; kernel.socket(); kernel.socketpair()"
    found = [f"{module}.{name}" for module, name in system_names(ast.parse(source)) if calls_the_system(module, name)]
    assert sorted(found) == ["os.close", "socket.socket()", "socket.socketpair", "time.monotonic"]


def bare_raises_behind_an_await(tree: ast.AST) -> list[int]:
    """The lines of each `raise` without an exception in an `except` clause that awaits something before."""
    found: set[int] = set()
    for clause in ast.walk(tree):
        if isinstance(clause, ast.ExceptHandler):
            inside = list(ast.walk(clause))
            awaits = [node.lineno for node in inside if isinstance(node, ast.Await | ast.AsyncWith | ast.AsyncFor)]
            bare = [node.lineno for node in inside if isinstance(node, ast.Raise) and node.exc is None]
            found |= {line for line in bare if awaits and line > min(awaits)}
    return sorted(found)


def test_no_exception_is_raised_again_behind_an_await_without_its_name() -> None:
    """Compiled by mypyc 2.4, such a `raise` frees an exception that is still in use."""
    paths = [path for path in PACKAGE.rglob("*.py") if bare_raises_behind_an_await(ast.parse(path.read_text()))]
    assert not paths


def test_the_rule_about_bare_raises_sees_them() -> None:
    source = "async def f():\n try:\n  g()\n except E as error:\n  await h()\n  {}\n"
    assert bare_raises_behind_an_await(ast.parse(source.format("raise"))) == [6]
    assert bare_raises_behind_an_await(ast.parse(source.format("raise error"))) == []


def test_shipped_services_use_the_public_modules_only() -> None:
    for path in SERVICES:
        allowed = FACADES | (
            {"skypy.core.wire.values"} if path.name == "skypy_hand.py" else set()
        )  # the values of messages
        for imported in runtime_imports(ast.parse(path.read_text())):
            assert imported in allowed or imported.split(".")[0] in sys.stdlib_module_names, f"{path}: {imported}"


def public_names(facade: str) -> list[str]:
    """Return every name that a facade offers."""
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
    "skypy.node.socket_process": {"asyncio", "click", "concurrent", "subprocess"},
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
