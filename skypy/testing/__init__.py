"""Test a service in five lines: see docs/testing.md.

pytest finds the fixtures `system`, `node`, `clock`, `probe` and `connect` by itself; these names are for annotations.

The plugin is below this package and is loaded by every pytest where skypy is installed, so the names of
`skypy.testing.api` are loaded at first use.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skypy.testing.api import *  # noqa: F403
else:
    import importlib

    def __getattr__(name):  # noqa: ANN001, ANN202
        if name == "__all__":
            return __dir__()
        if not name.startswith("_"):
            names = vars(importlib.import_module("skypy.testing.api"))
            if name in names:
                return names[name]
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__():  # noqa: ANN202
        return sorted(name for name in vars(importlib.import_module("skypy.testing.api")) if not name.startswith("_"))
