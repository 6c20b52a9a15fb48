"""A service that imports a module that does not exist."""

import no_such_module  # type: ignore[import-not-found]  # noqa: F401
