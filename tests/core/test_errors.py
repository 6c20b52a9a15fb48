"""The tree of errors as it is drawn, and the fields of the errors."""

from __future__ import annotations

import errno
import importlib
import pkgutil
import sys
from collections.abc import Iterator

import pytest

import skypy
from skypy.core import errors
from skypy.core.errors import ConfigError, InternalError, ListenError, SkypyError, SocketBroken, SocketError


def drawn_tree(*, public_only: bool = False) -> dict[str, str]:
    """Each error of the drawing and its base: the last error before it that stands further to the left."""
    bases: dict[str, str] = {}
    path: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        name = line.lstrip(" │├└─").split(" ")[0]
        if isinstance(getattr(errors, name, None), type) and not line.startswith("InternalError"):
            depth = line.index(name)
            path = [(other, base) for other, base in path if other < depth]
            if not (public_only and "(internal)" in line):
                bases[name] = path[-1][1] if path else "Exception"
            path.append((depth, name))
    return bases


def test_the_tree_is_as_it_is_drawn() -> None:
    for module in pkgutil.walk_packages(skypy.__path__, "skypy."):
        only_of_311 = module.name == "skypy.worker.tasks.latent_task" and sys.version_info >= (3, 12)
        if not only_of_311 and not module.name.startswith(("skypy.testing", "skypy.__main__")):
            importlib.import_module(module.name)
    assert {error.__name__: error.__bases__[0].__name__ for error in with_subclasses(SkypyError)} == drawn_tree()


def with_subclasses(error: type[Exception]) -> Iterator[type[Exception]]:
    """An error and those that are derived from it, whatever module has them; not those that tests have made."""
    if error.__module__.startswith("skypy"):
        yield error
        for cls in error.__subclasses__():
            yield from with_subclasses(cls)


def test_the_public_errors_are_those_that_are_not_marked_as_internal() -> None:
    public = {name for name in dir(skypy) if isinstance(getattr(skypy, name), type) and name in vars(errors)}
    assert public - {"InternalError"} == drawn_tree(public_only=True).keys()


def test_a_bug_of_skypy_is_none_of_the_errors_that_programs_expect() -> None:
    assert not issubclass(InternalError, SkypyError)


def test_errors_are_named_as_users_import_them() -> None:
    assert {vars(errors)[name].__module__ for name in drawn_tree(public_only=True)} == {"skypy"}


def test_a_broken_socket_is_an_oserror_with_its_errno() -> None:
    error = SocketBroken(errno.ECONNRESET, "Connection reset by peer")
    assert isinstance(error, OSError)
    assert isinstance(error, SocketError)
    assert (error.errno, error.strerror) == (errno.ECONNRESET, "Connection reset by peer")


def test_an_address_that_cannot_be_listened_on_is_an_oserror_that_names_it() -> None:
    error = ListenError(errno.EADDRINUSE, "Address already in use", "127.0.0.1", 8888)
    assert isinstance(error, OSError)
    assert (error.errno, error.strerror) == (errno.EADDRINUSE, "Address already in use")
    assert (error.host, error.port) == ("127.0.0.1", 8888)
    assert str(error) == "cannot listen on 127.0.0.1:8888: Address already in use"


@pytest.mark.parametrize(
    ("key", "text"), [("socket.linger", "a.toml: socket.linger: not a number"), ("", "a.toml: not a number")]
)
def test_a_config_error_names_the_file_and_the_key_if_there_is_one(key: str, text: str) -> None:
    error = ConfigError("a.toml", key, "not a number")
    assert str(error) == text
    assert (error.file, error.key, error.problem) == ("a.toml", key, "not a number")
