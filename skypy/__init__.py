"""An actor runtime for Python in the style of skynet: services in several processes, and sockets that half-close right.

The names are listed in `skypy/api.py`, those of sockets in `skypy/socket.py`. In a service file:

    start, stop, command, dispatch      declare the functions that skypy runs and that other actors call
    newservice, uniqueservice, ...      start other services and find them
    call, send, response, source        messages between actors
    fork, timeout, sleep, wait, ...     tasks and time
    getenv, log, exit, ...              the actor and its node
    skypy.socket                        TCP
    SkypyError                          the base of all errors

This module runs in every process of a node before any other one of skypy, so it loads nothing itself.
"""

from __future__ import annotations

from skypy.version import __version__ as __version__

TYPE_CHECKING = False  # typing.TYPE_CHECKING, without the time that it takes to load typing
if TYPE_CHECKING:
    from skypy import socket as socket
    from skypy.api import *
else:

    def __getattr__(name: str) -> object:
        """Load the public names when one of them is first used."""
        if name == "socket":  # `import skypy` alone is enough for skypy.socket
            from importlib import import_module

            return import_module("skypy.socket")
        private = name.startswith("_") and name != "__all__"  # a debugger's question is no reason to load anything
        if private or (name not in _load() and name != "__all__"):
            raise AttributeError(f"module 'skypy' has no attribute {name!r}")
        return globals()[name]

    def __dir__() -> list[str]:
        return [*_load(), "socket"]

    def _load() -> list[str]:
        """Take the public names over from `skypy.api`. Return them, sorted."""
        if "__all__" not in globals():
            from importlib import import_module

            api = import_module("skypy.api")
            names = sorted(name for name in vars(api) if not name.startswith("_"))
            globals().update({name: getattr(api, name) for name in names}, __all__=["__version__", *names])
        return __all__
